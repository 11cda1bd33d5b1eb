// SPDX-License-Identifier: Apache-2.0

// Unpacks a gzip stream with Go's own reader, which takes several members as one: the export must be one.
package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
)

func main() {
	input := bufio.NewReader(os.Stdin)
	reader, err := gzip.NewReader(input)
	if err == nil {
		reader.Multistream(false)
		_, err = io.Copy(os.Stdout, reader)
	}
	if _, more := input.ReadByte(); err == nil && more != io.EOF {
		err = fmt.Errorf("bytes follow the first member")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
