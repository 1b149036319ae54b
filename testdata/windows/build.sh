#!/usr/bin/env bash
# Builds the Windows specimens, linked against Wine's own libraries: build.sh FOLDER. Copies of acts.exe do what their names say.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh FOLDER}
wine=${WINE_LIBRARIES:-/usr/lib/x86_64-linux-gnu/wine}
mkdir -p "$out"

program() {   # TRIPLE EMULATION FOLDER ENTRY TO FLAGS...
	local triple=$1 emulation=$2 folder=$wine/$3 entry=$4 to=$5
	shift 5
	clang --target="$triple" -Os -ffreestanding -fno-builtin -fno-stack-protector -mno-stack-arg-probe "$@" -c -o "$to.o" "$here/acts.c"
	ld -m "$emulation" -e "$entry" -s --subsystem windows -o "$to" "$to.o" "$folder"/{kernel32,advapi32,wininet,ws2_32}.dll
	rm -f "$to.o"
}

program x86_64-w64-windows-gnu i386pep x86_64-windows begin "$out/acts.exe"
program x86_64-w64-windows-gnu i386pep x86_64-windows begin "$out/several.exe" -DSEVERAL
# Wine's 64-bit half brings no 32-bit libraries to link against.
if command -v i686-w64-mingw32-gcc >/dev/null; then
	i686-w64-mingw32-gcc -Os -ffreestanding -fno-builtin -nostdlib -DSEVERAL -Wl,-e,_begin -s -o "$out/several-32.exe" "$here/acts.c" \
		-lkernel32 -ladvapi32 -lwininet -lws2_32
fi
