module vmexport/tests/bench/peer

go 1.19

require github.com/klauspost/pgzip v1.2.6

require github.com/klauspost/compress v1.17.9 // indirect
