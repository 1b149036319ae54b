# muss: make, make check, make demo, make install PREFIX= DESTDIR=. INSTALL tells the rest.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
CLANG   ?= clang
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
           -Wwrite-strings -Wvla -Wformat=2 -Werror
HARDEN  := -fstack-protector-strong -fPIE
CPPFLAGS_ALL := -Ilib -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(CPPFLAGS)
CFLAGS_ALL   := -std=c17 $(WARN) $(HARDEN) $(CFLAGS) $(SAN)
LDFLAGS_ALL  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) $(SAN)
# A line a step; make V=1 shows the commands, make -s nothing.
STILL := $(findstring s,$(firstword -$(MAKEFLAGS)))
say    = $(if $(V),,@$(if $(STILL),,printf '%-3s %s\n' $(1) $@;))
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# ---- rooms: what each uses (rooms of lower floors only) and the library it owns ----

ROOMS := base casefile trust known judge places lived confine code initrd carve emulate garden internet listing link pack centre host agent remedy micro export proof

USES_base     :=
USES_casefile := base
USES_trust    := base
USES_known    := base
USES_judge    := base
USES_places   := base
USES_lived    := base
USES_confine  := base
USES_code     := confine base
USES_initrd   := casefile base
USES_carve    := casefile code base
USES_emulate  := code confine base
USES_garden   := confine lived base
USES_internet := confine base
USES_listing  := casefile judge base
USES_link     := trust base
USES_pack     := trust casefile base
USES_centre   := trust casefile known base
USES_host     := code confine judge known places base
USES_agent    := link trust casefile base
USES_remedy   := code confine casefile base
USES_micro    := garden code confine casefile judge known places lived base
USES_export   := confine casefile base
USES_proof    := garden confine casefile trust lived base

LIBS_base     := -ljansson -lsqlite3 -lcrypto
LIBS_casefile := -larchive
LIBS_trust    := -lcrypto
LIBS_known    := -lm
LIBS_judge    := -lm
LIBS_confine  := -lseccomp
LIBS_code     := -lcapstone -lyara -lm
LIBS_carve    := -lz
LIBS_emulate  := -lunicorn
LIBS_internet := -lssl -lcrypto -lm
LIBS_link     := -levent -levent_openssl -lssl -lcrypto
LIBS_remedy   := -ltcc -ldl

# ---- tools: what each links, and no more ----

TOOLS := mscan mwhite mpack mls msend mrecv mkey mnicter mgen mverify magent mcenter

TOOL_mscan   := host judge code confine known casefile places base
TOOL_mwhite  := known trust casefile base
TOOL_mpack   := pack trust casefile base
TOOL_mls     := listing judge casefile base
TOOL_msend   := agent link trust casefile base
TOOL_mrecv   := link centre confine trust casefile known base
TOOL_mkey    := trust base
TOOL_mnicter := export micro garden code confine judge casefile known places lived base
TOOL_mgen    := remedy code confine casefile base
TOOL_mverify := proof garden confine trust casefile lived base
TOOL_magent  := agent link trust casefile base
TOOL_mcenter := centre trust casefile known base

# Helpers parse hostile bytes in processes of their own; they stand in libexec.
HELPERS := helper-static helper-carve helper-unpack helper-functions helper-garden helper-initrd helper-internet helper-yara

TOOL_helper-static := code confine base
TOOL_helper-carve := carve code confine casefile base
TOOL_helper-unpack := emulate code confine base
TOOL_helper-functions := code confine base
TOOL_helper-garden := garden confine lived base
TOOL_helper-internet := internet confine base
TOOL_helper-yara := code confine base
TOOL_helper-initrd := initrd confine casefile base

# ---- what is built: everything twice, plain and under the sanitizers ----

.DELETE_ON_ERROR:
.PHONY: all deps check derive observe demo lint lint-deep asan mutate fuzz fuzz-smoke bench bench-garden bench-known bench-scan bench-static bench-unpack desktop behaviours garden-goodware goodware windows valgrind install uninstall clean

all: $(TOOLS:%=$(BUILD)/bin/%) $(HELPERS:%=$(BUILD)/libexec/muss/%)

# The goals that a fresh machine is asked for install first what is missing.
ifneq ($(filter deps check derive observe demo lint lint-deep asan fuzz fuzz-smoke bench valgrind,$(MAKECMDGOALS)),)
DEPS := $(BUILD)/.deps
endif
deps: $(BUILD)/.deps
$(BUILD)/.deps: .ci/packages
	@mkdir -p $(@D)
	@.ci/deps .ci/packages
	@touch $@

# $(call variant,FOLDER,FLAGS): the rules for objects, rooms, tools and unit tests below FOLDER.
srcs = $(wildcard lib/$(1)/*.c)
libs = $(foreach r,$(1),$(LIBS_$(r)))
arch = $(foreach r,$(2),$(1)/lib/lib$(r).a)

define variant
$(1)/obj/%.o: %.c Makefile | $$(DEPS)
	@mkdir -p $$(@D)
	$$(call say,CC)$$(CC) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $(2) -MMD -MP -c -o $$@ $$<

$(foreach r,$(ROOMS),$(eval $(call room,$(1),$(r))))
$(foreach t,$(TOOLS),$(eval $(call link,$(1)/bin/$(t),$(1),cmd/$(t),$(TOOL_$(t)),$(2))))
$(foreach t,$(HELPERS),$(eval $(call link,$(1)/libexec/muss/$(t),$(1),cmd/$(t),$(TOOL_$(t)),$(2))))
$(foreach p,$(PROBES),$(eval $(call link,$(1)/t/$(p),$(1),t/$(p),$(PROBE_$(p)),$(2))))
$(foreach u,$(UNIT),$(eval $(call link,$(1)/unit/$(u),$(1),t/unit/$(u),$(call room_of,$(u)) $(USES_$(call room_of,$(u))),$(2))))
endef

define room
$(1)/lib/lib$(2).a: $(patsubst %.c,$(1)/obj/%.o,$(call srcs,$(2)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcsD $$@ $$^
endef

define link
$(1): $(2)/obj/$(3).o $(patsubst %.c,$(2)/obj/%.o,$(wildcard $(3)-*.c)) $(call arch,$(2),$(4))
	@mkdir -p $$(@D)
	$$(call say,LD)$$(CC) $$(LDFLAGS_ALL) $(5) -o $$@ $$^ $(call libs,$(4))
endef

# t/unit/ROOM_thing.c tests room ROOM, and links it and what it uses.
UNIT    := $(patsubst t/unit/%.c,%,$(wildcard t/unit/*.c))
room_of  = $(firstword $(subst _, ,$(1)))

# Programs that tests use and nobody installs: t/NAME.c.
PROBES := dummynet ingarden capable casecat badcase mkremover killat forgeindex derive knownbench scanbench mutate
PROBE_ingarden := garden confine lived base
PROBE_capable := micro garden code confine casefile judge known places lived base
PROBE_casecat := casefile base
PROBE_badcase := casefile base
PROBE_killat := base
PROBE_dummynet := base
PROBE_forgeindex := known base
PROBE_knownbench := known base
PROBE_scanbench := host known code judge confine places base
PROBE_derive := judge base
PROBE_mutate := confine base
PROBE_mkremover := remedy code confine casefile base

$(eval $(call variant,$(BUILD),))
$(eval $(call variant,$(BUILD)/san,$(SANITIZE)))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

tested = $(TOOLS:%=$(1)/bin/%) $(HELPERS:%=$(1)/libexec/muss/%) $(UNIT:%=$(1)/unit/%) $(PROBES:%=$(1)/t/%)

check: $(call tested,$(BUILD))
	@t/run $(BUILD)

asan: $(call tested,$(BUILD)/san)
	@t/run $(BUILD)/san

demo: all
	@t/demo.sh $(BUILD)

# Those observations: every technique of testdata/catalogue, thirty times, and what honest machines run; both told with what
# a whitelist of the packages drops (as root; a quarter of an hour).
observe: all
	@nice $(BUILD)/bin/mwhite -q build -o $(BUILD)/packages.idx --dpkg >/dev/null
	@KNOWN=$(BUILD)/packages.idx nice t/catalogue.sh $(BUILD) -o testdata/labelled/suspicious.ndjson
	@KNOWN=$(BUILD)/packages.idx nice t/observe-benign.sh $(BUILD) testdata/labelled/benign.ndjson

# The criteria's weights and threshold, from the labelled observations; t/derive.bats holds the shipped ones to it.
derive: $(BUILD)/t/derive
	@$(BUILD)/t/derive -w $(wildcard testdata/labelled/*.ndjson)

valgrind: all
	@t/valgrind.sh $(BUILD)

# Ten thousand damaged programs for the static parser.
mutate: all $(BUILD)/t/mutate
	@t/mutate.sh $(BUILD) 10000

bench-scan: all $(BUILD)/t/scanbench
	@.ci/deps .ci/bench-packages
	@t/bench-scan.sh $(BUILD)

bench-unpack: all
	@.ci/deps .ci/bench-packages
	@t/bench-unpack.sh $(BUILD)

bench-garden: all $(BUILD)/t/ingarden
	@.ci/deps .ci/bench-packages
	@t/bench-garden.sh $(BUILD)

bench-known: all $(BUILD)/t/knownbench
	@t/bench-known.sh $(BUILD) $(DIGESTS)

bench-static: all
	@.ci/deps .ci/bench-packages
	@t/bench-static.sh $(BUILD)

# What is said of the programs of this machine, none of which may be called malicious; W=FILE: the weights of capabilities.
goodware: all $(BUILD)/t/capable
	@nice t/goodware.sh $(BUILD) $(if $(W),-w $(W))

# What the garden reports of testdata/behaviour, one behaviour each: recall and precision.
behaviours: all
	@t/behaviours.sh $(BUILD)

# Two hundred programs of this machine in the garden, none of which may be called malicious.
garden-goodware: all
	@nice t/garden-goodware.sh $(BUILD)

# Programs for Windows in the garden, under Wine (100 MB to fetch, 700 MB installed: not for every run of the tests).
windows: $(call tested,$(BUILD))
	@.ci/deps .ci/windows-packages
	@t/run $(BUILD) wine micro_wine

desktop: all
	@.ci/deps .ci/bench-packages
	@t/desktop.sh $(BUILD)

bench: all $(PROBES:%=$(BUILD)/t/%)
	@for b in t/bench-*.sh; do $$b $(BUILD) || exit 1; done

# ---- fuzzing: t/fuzz/fuzz_NAME.c names its rooms in a line "rooms: a b c" ----

FUZZ := $(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c))
FUZZ_SAN := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_SECONDS ?= 20
fuzz_rooms = $(shell sed -n 's/.*rooms: *\([a-z ]*\).*/\1/p' t/fuzz/$(1).c)

$(BUILD)/fuzz/obj/%.o: %.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(call say,CC)$(CLANG) $(CPPFLAGS_ALL) -std=c17 -O1 -g '-DPE_IMAGE=(16 * MIB)' $(FUZZ_SAN) -MMD -MP -c -o $@ $<
$(foreach r,$(ROOMS),$(eval $(call room,$(BUILD)/fuzz,$(r))))
define fuzzer
$(BUILD)/fuzz/$(1): $(BUILD)/fuzz/obj/t/fuzz/$(1).o $(call arch,$(BUILD)/fuzz,$(call fuzz_rooms,$(1)))
	$$(call say,LD)$$(CLANG) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(call libs,$(call fuzz_rooms,$(1)))
endef
$(foreach f,$(FUZZ),$(eval $(call fuzzer,$(f))))

fuzz: $(FUZZ:%=$(BUILD)/fuzz/%)
fuzz-smoke: fuzz
	@t/fuzz/smoke $(BUILD)/fuzz $(FUZZ_SECONDS)

lint: all
	@t/lint $(BUILD)

# The same with clang's analyser at its full depth: a quarter of an hour.
lint-deep: all
	@LINT_NODES=225000 t/lint $(BUILD)

# ---- installation ----

install: all
	@install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/muss $(DESTDIR)$(PREFIX)/share/muss \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(TOOLS:%=$(BUILD)/bin/%) $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(HELPERS:%=$(BUILD)/libexec/muss/%) $(DESTDIR)$(PREFIX)/libexec/muss
	cp -R rules/. $(DESTDIR)$(PREFIX)/share/muss
	for s in 1 5 7; do install -m 644 man/*.$$s $(DESTDIR)$(PREFIX)/share/man/man$$s || exit 1; done
	install -m 644 man/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/muss
	for t in $(TOOLS); do ln -sf muss $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$t || exit 1; done

uninstall:
	rm -f $(TOOLS:%=$(DESTDIR)$(PREFIX)/bin/%) $(TOOLS:%=$(DESTDIR)$(PREFIX)/share/bash-completion/completions/%) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/muss
	rm -f $(foreach m,$(notdir $(wildcard man/*.[157])),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $(m)))/$(m))
	rm -rf $(DESTDIR)$(PREFIX)/libexec/muss $(DESTDIR)$(PREFIX)/share/muss

clean:
	rm -rf $(BUILD)
