module vmexport/tests

go 1.19
