#!/usr/bin/env bash
# Builds the packed specimens of both widths, each beside the bytes that must come out: build.sh FOLDER
# For each NAME: FOLDER/NAME is the program, FOLDER/NAME.want (and NAME.want2, ...) what it hides.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh FOLDER}
mkdir -p "$out"
cd "$out"
base=(-Os -fno-stack-protector -fno-builtin -fno-asynchronous-unwind-tables -fcf-protection=none -fomit-frame-pointer -ffreestanding
	-fno-tree-loop-distribute-patterns -fno-ident -fPIC -fvisibility=hidden -nostdlib -I"$here" -I.)
# shellcheck disable=SC2054 # the commas are the linker's
link=(-static -Wl,-e,begin -Wl,--build-id=none -Wl,-z,noexecstack)
cc -O2 -I"$here" -o pack "$here/pack.c"

flat() {   # SOURCE OUT FLAGS...: one piece of code and data
	local source=$1 to=$2
	shift 2
	cc "${base[@]}" "$@" -c -o flat.o "$source"
	ld -m "$emulation" --no-warn-rwx-segments -T "$here/flat.ld" -o flat.elf flat.o
	objcopy -O binary -j .flat flat.elf "$to"
}

packed() { ./pack "$1" <"$2" >packed.h; }

program() {   # SOURCE OUT FLAGS...
	local source=$1 to=$2
	shift 2
	cc "${base[@]}" "${link[@]}" "$@" -o "$to" "$source"
}

one() {   # NAME METHOD FLAGS...: the payload behind one method
	local name=$1-$width method=$2
	shift 2
	packed "$method" payload.bin
	program "$here/stub.c" "$name" "-m$width" -DMETHOD="${method^^}" "$@"
	cp payload.bin "$name.want"
}

for width in 64 32; do
	emulation=elf_x86_64
	[ $width = 32 ] && emulation=elf_i386
	flat "$here/payload.c" payload.bin "-m$width"
	one xor xor
	one rc4 rc4
	one lz lz
	one add add
	one inplace lz -DINPLACE
	one child rc4 -DCHILD
	one parent rc4 -DPARENT
	one pipe rc4 -DPIPE
	one tricks rc4 -DTRICKS

	# Three layers: the innermost stub is what the middle one unpacks, and that what the outer one unpacks.
	packed lz payload.bin
	flat "$here/stub.c" inner.bin "-m$width" -DMETHOD=LZ
	packed xor inner.bin
	flat "$here/stub.c" middle.bin "-m$width" -DMETHOD=XOR
	packed rc4 middle.bin
	program "$here/stub.c" "layers-$width" "-m$width" -DMETHOD=RC4
	cp payload.bin "layers-$width.want"

	# A program in a file without a name.
	program "$here/payload.c" whole "-m$width"
	strip whole
	packed rc4 whole
	program "$here/stub.c" "memfd-$width" "-m$width" -DMETHOD=RC4 -DMEMFD
	cp whole "memfd-$width.want"

	# One function at a time.
	cc "${base[@]}" "-m$width" -c -o functions.o "$here/functions.c"
	echo -n >functions.bin
	sizes=
	for i in 1 2 3; do
		objcopy -O binary -j ".text.begin.$i" functions.o "function$i.bin"
		cat "function$i.bin" >>functions.bin
		sizes+="$(stat -c %s "function$i.bin"),"
	done
	echo "static const unsigned size[3] = { $sizes };" >sizes.h
	packed xor functions.bin
	program "$here/once.c" "once-$width" "-m$width"
	program "$here/once.c" "buffer-$width" "-m$width" -DBUFFER
	for name in once buffer; do
		cp function1.bin "$name-$width.want"
		cp function2.bin "$name-$width.want2"
		cp function3.bin "$name-$width.want3"
	done

	packed xor payload.bin
	program "$here/patch.c" "patch-$width" "-m$width"
	cp payload.bin "patch-$width.want"
done

# One that a shell begins anew, as shc's do: it runs on this machine's C library and shell, so in its width alone.
flat=payload.bin
emulation=elf_x86_64
flat "$here/payload.c" "$flat" -m64
packed rc4 "$flat"
cc -O1 -w -I"$here" -I. -o again-64 "$here/again.c"
cp "$flat" again-64.want
rm -f pack packed.h sizes.h whole ./*.o ./*.elf ./*.bin
