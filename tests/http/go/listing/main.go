// SPDX-License-Identifier: Apache-2.0

// listing DIR PATH: what Go's http.FileServer over DIR answers at the URL path PATH.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
)

func main() {
	answer := httptest.NewRecorder()
	http.FileServer(http.Dir(os.Args[1])).ServeHTTP(answer, httptest.NewRequest("GET", os.Args[2], nil))
	if answer.Code != http.StatusOK {
		fmt.Fprintln(os.Stderr, "status", answer.Code)
		os.Exit(1)
	}
	os.Stdout.Write(answer.Body.Bytes())
}
