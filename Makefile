# vmexport: VM disk export for Kubernetes. `make help` lists what there is to make.
#
# Everything is built below build/$(VARIANT)/: release (default), asan, tsan, clang, coverage. V=1 shows the commands.

VARIANT ?= release
CC ?= cc
PREFIX ?= /usr/local
B := build/$(VARIANT)

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes \
	-Werror=implicit-function-declaration -Wpointer-arith -Wundef -Wwrite-strings -Wcast-qual
CPPFLAGS_ALL := -D_GNU_SOURCE -Ilib -Ifcgi -Ilighttpd -Icontroller -Icli $(CPPFLAGS)
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LDFLAGS_release := -pie -Wl,-z,relro,-z,now,--as-needed
CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_coverage := -O0 -g --coverage -fprofile-update=atomic
LDFLAGS_coverage := --coverage
CFLAGS_clang := $(CFLAGS_release)
LDFLAGS_clang := $(LDFLAGS_release)
CFLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link \
	-fno-sanitize-recover=all
LDFLAGS_fuzz := -fsanitize=address,undefined,fuzzer
ifneq ($(filter clang fuzz,$(VARIANT)),)
CC := clang
endif
ifdef CI
WARNINGS += -Werror
endif
CFLAGS_ALL := -std=gnu11 $(WARNINGS) $(CFLAGS_$(VARIANT)) -pthread $(CFLAGS)
LDFLAGS_ALL := $(LDFLAGS_$(VARIANT)) -pthread $(LDFLAGS)
LDLIBS_kube := -lcurl -levent_core -levent_extra
LDLIBS := -lfcgi -lcrypto -lz -lisal -larchive -lcjson -lyaml

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(patsubst build/%,%,$@))

# ---- sources: a handler is a file of fcgi/ with a main; everything else there is shared by them ----
HANDLERS := raw gzip dir tar manifest ready index proxy
HANDLER_SRC := $(HANDLERS:%=fcgi/%.c)
SHARED_SRC := $(filter-out $(HANDLER_SRC),$(wildcard fcgi/*.c fcgi/stream/*.c)) $(wildcard lib/base/*.c)
POD_SRC := $(filter-out lighttpd/probe.c,$(wildcard lighttpd/*.c))
# What speaks Kubernetes; the handlers never do.
KUBE_SRC := $(wildcard lib/kube/*.c)
CONTROLLER_SRC := $(filter-out controller/main.c,$(wildcard controller/*.c))
# What all programs agree on about an export.
EXPORT_SRC := $(wildcard lib/export/*.c)
CLI_SRC := $(filter-out cli/main.c,$(wildcard cli/*.c cli/*/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)

# A group, as what all agree on (lib/export) and what all stand on (lib/base) need one another.
LINK = $(Q)$(CC) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group
obj = $(patsubst %.c,$(B)/%.o,$(1))
SHARED := $(B)/libshared.a
EXPORT := $(B)/libexport.a
CONTROLLER := $(B)/libcontroller.a $(B)/libkube.a $(EXPORT)
CLI := $(B)/libcli.a $(B)/libkube.a $(EXPORT)
PARTS := $(B)/libcli.a $(CONTROLLER) $(B)/libpod.a $(SHARED)
# What the image has. The client is not in it.
SERVERS := $(HANDLERS:%=$(B)/fcgi/%) $(B)/lighttpd/pod $(B)/lighttpd/probe $(B)/controller/vmexport-controller
CLIENT := $(B)/cli/vmexport
PROGRAMS := $(SERVERS) $(CLIENT)
UNIT_TESTS := $(UNIT_SRC:%.c=$(B)/%)
FUZZERS := $(FUZZ_SRC:%.c=$(B)/%)
SHIM := $(B)/tests/http/fault.so

.PHONY: FORCE all help deps deps-test deps-image run run-controller test asan-test tsan-test unit-test http-test \
	controller-test client-test helm-test helm-golden image-test e2e coverage fuzz-smoke format format-check lint bench bench-proxy bench-controller bench-client \
	install install-server image clean programs \
	test-programs fuzzers cluster cluster-down
.SECONDARY:
all: programs

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

deps: ## install the Debian packages that building and running need
	$(Q)tools/deps run
deps-test: ## the same for the tests
	$(Q)tools/deps run test image cluster node
deps-image: ## the same for the image
	$(Q)tools/deps run image

programs: $(PROGRAMS)
	@:
test-programs: $(PROGRAMS) $(UNIT_TESTS) $(SHIM)
	@:

# What everything was built with: other flags, another compiler or another list of sources builds anew.
BUILT_WITH := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(SHARED_SRC) $(POD_SRC) $(KUBE_SRC) $(CONTROLLER_SRC) $(EXPORT_SRC) $(CLI_SRC)
$(B)/built-with: FORCE
	@mkdir -p $(@D)
	@echo '$(BUILT_WITH)' | cmp -s - $@ || echo '$(BUILT_WITH)' >$@
FORCE:

$(B)/%.o: %.c $(B)/built-with
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Archives, so that each program gets what it uses.
$(SHARED): $(call obj,$(SHARED_SRC))
$(B)/libpod.a: $(filter-out %/pod.o,$(call obj,$(POD_SRC)))
$(B)/libkube.a: $(call obj,$(KUBE_SRC))
$(EXPORT): $(call obj,$(EXPORT_SRC))
$(B)/libcontroller.a: $(call obj,$(CONTROLLER_SRC))
$(B)/libcli.a: $(call obj,$(CLI_SRC))
$(B)/lib%.a: $(B)/built-with
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

$(B)/fcgi/%: $(B)/fcgi/%.o $(EXPORT) $(SHARED)
	$(call say,LD)
	$(LINK) $(LDLIBS)

$(B)/fcgi/proxy: $(B)/fcgi/proxy.o $(EXPORT) $(SHARED)
	$(call say,LD)
	$(LINK) -lssl $(LDLIBS_kube) $(LDLIBS)

$(B)/lighttpd/pod: $(B)/lighttpd/pod.o $(B)/libpod.a $(SHARED)
	$(call say,LD)
	$(LINK) -lssl $(LDLIBS)

$(B)/lighttpd/probe: $(B)/lighttpd/probe.o $(SHARED)
	$(call say,LD)
	$(LINK) -lcurl $(LDLIBS)

$(CLIENT): $(B)/cli/main.o $(CLI) $(SHARED)
	$(call say,LD)
	$(LINK) -lssl $(LDLIBS_kube) $(LDLIBS)

$(B)/controller/vmexport-controller: $(B)/controller/main.o $(CONTROLLER) $(SHARED)
	$(call say,LD)
	$(LINK) $(LDLIBS_kube) $(LDLIBS)

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(PARTS)
	$(call say,LD)
	$(LINK) -lcmocka -lssl $(LDLIBS_kube) $(LDLIBS)

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(PARTS)
	$(call say,LD)
	$(LINK) -lssl $(LDLIBS_kube) $(LDLIBS)

# The shim that makes a disk fail is loaded into other programs: never sanitized itself.
$(SHIM): tests/http/fault.c $(B)/built-with
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) -std=gnu11 $(WARNINGS) -O2 -shared -fPIC -o $@ $< -ldl

run: deps ## serve DISK=file-or-device, DIR=path (or a sample) on PORT; ONCE=1 only checks, CHECK=0 only serves
	$(Q)$(MAKE) --no-print-directory programs
	$(Q)tools/run $(B)

run-controller: ## try the controller with a Kubernetes API of its own, until Ctrl-C: API_GROUP=, FLAGS='of the controller'; ONCE=1 only checks
	$(Q)tools/deps run cluster
	$(Q)$(MAKE) --no-print-directory programs
	$(Q)tools/run-controller $(B)

test: deps-test ## every test of the project: gates, unit, http, controller, client, chart, fuzzers, ASan+UBSan, TSan, trixie, image, e2e
	$(Q)tests/run all

unit-test: deps-test ## the unit tests, in VARIANT (release, asan, tsan, clang)
	$(Q)tests/run unit
http-test: deps-test ## the tests over HTTP, in VARIANT
	$(Q)tests/run http
controller-test: deps-test ## the controller's tests against a real API server, in VARIANT
	$(Q)tests/run controller
client-test: deps-test ## the client's tests against a real API server and a real export server, in VARIANT
	$(Q)tests/run client
asan-test: deps-test ## all tests under ASan and UBSan
	$(Q)tests/run asan
helm-test: deps-test ## the tests of the chart, with Helm 3 and 4
	$(Q)tests/run helm
helm-golden: ## renew what is made from the chart: golden renders, README's table of values
	$(Q)tests/helm/renew
image-test: deps-test ## the tests of the image, which build it
	$(Q)tests/run image
e2e: image ## image and chart of the tree on a real cluster of one node, which is started for it and removed; as root
	$(Q)tools/deps run test cluster node
	$(Q)tests/run e2e
tsan-test: deps-test ## the threaded parts under TSan
	$(Q)tests/run tsan

coverage: deps-test ## which lines and branches of controller/ and lib/kube the tests run
	$(Q)tests/coverage

fuzz-smoke: deps-test ## each fuzzer for some seconds over its corpus
	$(Q)$(MAKE) --no-print-directory VARIANT=fuzz fuzzers
	$(Q)tests/fuzz/smoke build/fuzz
fuzzers: $(FUZZERS)

bench: ## measure the export pod beside a Go peer (tests/bench/README.md)
bench-proxy: ## measure the export proxy beside a Go peer
bench-controller: ## measure the controller with thousands of exports
bench-client: ## measure the client's download beside curl and a Go client
bench bench-proxy bench-controller bench-client:
	$(Q)tools/deps run test bench $(if $(filter bench-c%,$@),cluster)
	$(Q)$(MAKE) --no-print-directory programs
	$(Q)tests/bench/$(patsubst bench-%,%,$(patsubst bench,run,$@)) $(B)

C_FILES := $(wildcard lib/*/*.[ch] fcgi/*.[ch] fcgi/stream/*.[ch] lighttpd/*.[ch] controller/*.[ch] cli/*.[ch] cli/*/*.[ch] tests/*/*.[ch])
format: ## rewrite the sources in the project's format
	$(Q)clang-format -i $(C_FILES)
format-check: ## the gate
	$(Q)clang-format --dry-run -Werror $(C_FILES)
lint: ## clang-tidy over the sources
	$(Q)clang-tidy --quiet $(filter %.c,$(filter-out tests/%,$(C_FILES))) -- $(CPPFLAGS_ALL) -std=gnu11

INSTALLED := $(DESTDIR)$(PREFIX)
install: install-server $(CLIENT) ## into DESTDIR and PREFIX: the client with man page and completions, the servers
	$(Q)tools/install-client $(CLIENT) "$(INSTALLED)"
install-server: $(SERVERS)
	$(Q)install -d "$(INSTALLED)/libexec/vmexport" "$(INSTALLED)/share/vmexport"
	$(Q)install -m 755 $(SERVERS) "$(INSTALLED)/libexec/vmexport"
	$(Q)install -m 644 lighttpd/*.conf "$(INSTALLED)/share/vmexport"

image: deps-image ## the container image as an OCI archive, without a container engine (images/README.md)
	$(Q)images/build

cluster: image ## a real Kubernetes of one node on this machine, with the product from the tree (tests/cluster/README.md)
	$(Q)tools/deps run cluster node
	$(Q)tests/cluster/cluster up
	$(Q)tests/cluster/cluster install
cluster-down: ## end it and remove every trace of it
	$(Q)tests/cluster/cluster down

clean: ## remove everything that was built
	rm -rf build

-include $(shell find build/$(VARIANT) -name '*.d' 2>/dev/null)
