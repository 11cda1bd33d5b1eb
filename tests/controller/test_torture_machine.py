#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Crash torture (torture.py) of the export of a machine."""
import sys

import fixture
from lives import machine
from torture import torture


def test_killed_at_each_write(plane):
    torture(plane, machine)


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False))
