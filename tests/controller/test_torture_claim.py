#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Crash torture (torture.py) of the export of a claim."""
import sys

import fixture
from lives import claim
from torture import torture


def test_killed_at_each_write(plane):
    torture(plane, claim)


if __name__ == "__main__":
    sys.exit(fixture.main(globals(), start=False))
