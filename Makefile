# muss: make, make check, make demo, make install PREFIX= DESTDIR=. INSTALL tells the rest.

BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= gcc
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
           -Wwrite-strings -Wvla -Wformat=2 -Werror
HARDEN  := -fstack-protector-strong -fPIE
CPPFLAGS_ALL := -Ilib -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(CPPFLAGS)
CFLAGS_ALL   := -std=c17 $(WARN) $(HARDEN) $(CFLAGS) $(SAN)
LDFLAGS_ALL  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS) $(SAN)

# ---- rooms: what each uses (rooms of lower floors only) and the library it owns ----

ROOMS := base casefile trust known judge confine code garden link centre host agent remedy micro proof

USES_base     :=
USES_casefile := base
USES_trust    := base
USES_known    := base
USES_judge    := base
USES_confine  := base
USES_code     := confine base
USES_garden   := confine base
USES_link     := trust base
USES_centre   := trust casefile base
USES_host     := code confine judge base
USES_agent    := link trust casefile base
USES_remedy   := code confine casefile base
USES_micro    := garden code confine casefile judge base
USES_proof    := garden confine casefile trust base

LIBS_base     := -ljansson -lsqlite3 -lcrypto
LIBS_casefile := -larchive
LIBS_trust    := -lcrypto
LIBS_confine  := -lseccomp
LIBS_code     := -lcapstone -lyara
LIBS_link     := -levent -levent_openssl -lssl -lcrypto
LIBS_remedy   := -ltcc -ldl

# ---- tools: what each links, and no more ----

TOOLS := mscan mwhite mpack mls msend mrecv mkey mnicter mgen mverify magent mcenter

TOOL_mscan   := host judge code confine casefile base
TOOL_mwhite  := known casefile base
TOOL_mpack   := trust casefile base
TOOL_mls     := casefile base
TOOL_msend   := link trust casefile base
TOOL_mrecv   := link centre trust casefile base
TOOL_mkey    := trust base
TOOL_mnicter := micro garden code confine judge casefile base
TOOL_mgen    := remedy code confine casefile base
TOOL_mverify := proof garden confine trust casefile base
TOOL_magent  := agent link trust casefile base
TOOL_mcenter := centre trust casefile base

# Helpers parse hostile bytes in processes of their own; they stand in libexec.
HELPERS := helper-static helper-garden

TOOL_helper-static := code confine base
TOOL_helper-garden := garden confine base

# ---- objects ----

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard lib/$(1)/*.c))
arch = $(foreach r,$(1),$(BUILD)/lib/lib$(r).a)
libs = $(foreach r,$(1),$(LIBS_$(r)))

BIN     := $(TOOLS:%=$(BUILD)/bin/%)
LIBEXEC := $(HELPERS:%=$(BUILD)/libexec/muss/%)

.DELETE_ON_ERROR:
.PHONY: all deps check demo lint asan fuzz-smoke bench valgrind install clean unit

all: $(BIN) $(LIBEXEC)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define room
$(BUILD)/lib/lib$(1).a: $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcsD $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

define tool
$(2)/$(1): $(BUILD)/obj/cmd/$(1).o $(call arch,$(TOOL_$(1)))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS_ALL) -o $$@ $$^ $(call libs,$(TOOL_$(1)))
endef
$(foreach t,$(TOOLS),$(eval $(call tool,$(t),$(BUILD)/bin)))
$(foreach t,$(HELPERS),$(eval $(call tool,$(t),$(BUILD)/libexec/muss)))

# ---- unit tests: t/unit/ROOM_thing.c tests room ROOM ----

UNIT := $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(wildcard t/unit/*.c))
define unit
$(BUILD)/unit/$(1): $(BUILD)/obj/t/unit/$(1).o $(call arch,$(2) $(USES_$(2)))
	@mkdir -p $$(@D)
	$(CC) $(LDFLAGS_ALL) -o $$@ $$^ $(call libs,$(2) $(USES_$(2)))
endef
$(foreach u,$(UNIT:$(BUILD)/unit/%=%),$(eval $(call unit,$(u),$(firstword $(subst _, ,$(u))))))
unit: $(UNIT)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
