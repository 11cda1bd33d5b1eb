// SPDX-License-Identifier: Apache-2.0

// A server of the kind that the export pod replaces, to measure it beside: Go's net/http over TLS,
// http.ServeContent for a disk, klauspost/pgzip with its defaults for gzip, tar(1) through the same
// for a directory. Written from a description of what the incumbent does; unlike it, it cuts the
// connection when reading fails, so that the benchmark cannot take half a disk for a whole one.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"

	"github.com/klauspost/pgzip"
)

const tokenHeader = "x-kubevirt-export-token"

// volumes maps a name to the path of a disk (file or block device) or of a directory.
type volumes map[string]string

func (v volumes) String() string { return "" }

func (v volumes) Set(text string) error {
	name, path, found := strings.Cut(text, "=")
	if !found || name == "" || path == "" {
		return fmt.Errorf("must be NAME=PATH, not %q", text)
	}
	v[name] = path
	return nil
}

// authorized reads the token file for each request, as the incumbent does.
func authorized(tokenFile string, r *http.Request) bool {
	token, err := os.ReadFile(tokenFile)
	if err != nil || len(token) == 0 {
		return false
	}
	want, have := sha256.Sum256(token), sha256.Sum256([]byte(r.Header.Get(tokenHeader)))
	return subtle.ConstantTimeCompare(want[:], have[:]) == 1
}

// compress sends what fill writes as gzip. The connection is cut when fill fails.
func compress(w http.ResponseWriter, fill func(io.Writer) error) {
	reader, writer := io.Pipe()
	go func() {
		zip := pgzip.NewWriter(writer)
		err := fill(zip)
		if closeErr := zip.Close(); err == nil {
			err = closeErr
		}
		writer.CloseWithError(err)
	}()
	_, err := io.Copy(w, reader)
	reader.CloseWithError(err) // a client that left ends the goroutine
	if err != nil {
		log.Printf("download failed: %v", err)
		panic(http.ErrAbortHandler)
	}
}

func serveRaw(w http.ResponseWriter, r *http.Request, path string) {
	file, err := os.Open(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	http.ServeContent(w, r, "disk.img", time.Time{}, file)
}

func serveGzip(w http.ResponseWriter, _ *http.Request, path string) {
	file, err := os.Open(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer file.Close()
	compress(w, func(zip io.Writer) error {
		_, err := io.Copy(zip, file)
		return err
	})
}

func serveTar(w http.ResponseWriter, _ *http.Request, root string) {
	compress(w, func(zip io.Writer) error {
		var names bytes.Buffer // -v lists them on standard error
		tar := exec.Command("/usr/bin/tar", "Scv", "--exclude=lost+found", ".")
		tar.Dir = root
		tar.Stderr = &names
		output, err := tar.StdoutPipe()
		if err != nil {
			return err
		}
		if err := tar.Start(); err != nil {
			return err
		}
		_, copyErr := io.Copy(zip, output)
		output.Close() // tar ends when nobody reads it
		if err := tar.Wait(); err != nil && copyErr == nil {
			return fmt.Errorf("tar of %q: %w", root, err)
		}
		return copyErr
	})
}

var formats = map[string]func(http.ResponseWriter, *http.Request, string){
	"disk.img":    serveRaw,
	"disk.img.gz": serveGzip,
	"disk.tar.gz": serveTar,
}

func handler(served volumes, tokenFile string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/exportready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/volumes/", func(w http.ResponseWriter, r *http.Request) {
		if !authorized(tokenFile, r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		dir, format := path.Split(strings.TrimPrefix(r.URL.Path, "/volumes/"))
		source, serve := served[strings.TrimSuffix(dir, "/")], formats[format]
		if source == "" || serve == nil {
			http.NotFound(w, r)
			return
		}
		serve(w, r, source)
	})
	return mux
}

func main() {
	served := volumes{}
	address := flag.String("listen", "127.0.0.1:8443", "`address` and port")
	cert := flag.String("cert", "", "certificate `file`")
	key := flag.String("key", "", "key `file`")
	tokenFile := flag.String("token-file", "", "`file` with the token")
	upstream := flag.String("upstream", "", "`URL` of an export to be a reverse proxy for, instead of serving volumes")
	ca := flag.String("ca", "", "`file` with the CA of the upstream")
	fetch := flag.String("fetch", "", "`URL` of a gzip to unpack into -output, instead of serving anything")
	output := flag.String("output", "", "`file` for -fetch")
	flag.Var(served, "volume", "`NAME=PATH`; can be given several times")
	flag.Parse()
	if *fetch != "" {
		if err := download(*fetch, *ca, *tokenFile, *output); err != nil {
			log.Fatal(err)
		}
		return
	}

	server := &http.Server{
		Addr:      *address,
		Handler:   handler(served, *tokenFile),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if *upstream != "" {
		var err error
		if server.Handler, err = reverseProxy(*upstream, *ca); err != nil {
			log.Fatal(err)
		}
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // no HTTP/2
	}
	if err := server.ListenAndServeTLS(*cert, *key); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
