#!/usr/bin/env bats
# The case by hand, with tar and sha256sum, and every way in which one can be bad: exit 65, one line that names the
# member, and nothing that looks whole comes out. What can be cut or changed is tried byte by byte in t/unit/casefile_bad.c.

# shellcheck disable=SC2154 # run and fails set status, output and stderr
load common

setup() {
	CASECAT=$MUSS_BUILD/t/casecat
	BADCASE=$MUSS_BUILD/t/badcase
	cd "$TMP" || return 1
}

# refused FILE WHAT: as a filter to standard output, as a filter to a file, and by mls.
refused() {
	fails 65 "$CASECAT" out <"$1"
	[[ $stderr == *"$2"* ]] || { echo "# $1: not named: $2 in: $stderr"; return 1; }
	[ ! -e out ] || { echo "# $1: left a file"; return 1; }
	[ -z "$(compgen -G '.out*')" ]
	status=0
	"$CASECAT" <"$1" 2>err >piped || status=$?
	[ "$status" -eq 65 ]
	[ "$(wc -l <err)" -eq 1 ]
	fails 65 mls piped
	fails 65 mls -j "$1"
	[[ $stderr == *"$2"* ]]
}

@test "each kind of bad case is refused, plain and in zstd" {
	local n=0
	while IFS=$'\t' read -r kind names; do
		"$BADCASE" "$kind" >case
		if [ "$names" = - ]; then
			"$CASECAT" <case >copy
			mls -m case >before
			mls -m copy >after
			cmp before after
		else
			refused case "$names"
			case $kind in
			missing | dotdot | symlink | duplicate | huge | deep | two-sizes | text)
				zstd -q -f case -o case.zst
				fails 65 "$CASECAT" out <case.zst
				[[ $stderr == *"$names"* ]]
				[ ! -e out ]
				;;
			esac
		fi
		n=$((n + 1))
	done < <("$BADCASE" kinds)
	[ "$n" -gt 50 ]
}

@test "archives made bad by tar itself are refused" {
	"$BADCASE" good >case
	mkdir x
	bsdtar -xf case -C x
	chmod -R u+rw x
	cut -c67- x/MANIFEST >names
	echo MANIFEST >>names
	tar -cf same -C x --no-recursion -T names
	"$CASECAT" out <same
	rm out
	tar -cf up -C x -P --no-recursion --transform 's,^remedy/x$,../../x,' -T names
	refused up "'../../x'"
	tar -cf abs -C x -P --no-recursion --transform 's,^remedy/x$,/etc/x,' -T names
	refused abs "'/etc/x'"
	rm x/remedy/x
	ln -s /etc/passwd x/remedy/x
	tar -cf link -C x --no-recursion -T names
	refused link "'remedy/x': a symbolic link"
	rm x/remedy/x
	mkfifo x/remedy/x
	tar -cf fifo -C x --no-recursion -T names
	refused fifo "'remedy/x': a FIFO"
	rm x/remedy/x
	ln x/case.json x/remedy/x
	tar -cf hard -C x --no-recursion -T names
	refused hard "'remedy/x': a hard link"
	rm x/remedy/x
	truncate -s 1M x/remedy/x
	tar -cSf sparse -C x --no-recursion -T names
	refused sparse "'remedy/x'"
	truncate -s 10G x/remedy/x
	tar -c -C x --no-recursion -T names 2>/dev/null | head -c 100000 >huge
	refused huge "'remedy/x': 10737418240 bytes"
	rm x/remedy/x
	grep -v remedy/x names >fewer
	tar -cf missing -C x --no-recursion -T fewer
	refused missing "'remedy/x': in MANIFEST, but not in the archive"
	echo y >x/remedy/x
	tar -cf changed -C x --no-recursion -T names
	refused changed "'remedy/x': its SHA-256 is not that in MANIFEST"
	printf 'x' >x/remedy/x
	{ head -n 1 names; echo remedy/x; tail -n +2 names; } >twice
	tar -cf twice.tar -C x --hard-dereference --no-recursion -T twice
	refused twice.tar "'remedy/x'"
}

@test "it reads what tar packed: GNU and pax formats, folders, zstd" {
	"$BADCASE" good >case
	mkdir x
	bsdtar -xf case -C x
	chmod -R u+rw x
	cut -c67- x/MANIFEST >names
	echo MANIFEST >>names
	for format in gnu pax ustar; do
		tar -cf "$format" --format=$format -C x --no-recursion -T names
		"$CASECAT" <"$format" >out
		bsdtar -cf "bsd$format" --format=${format/gnu/gnutar} -C x -n -T names
		"$CASECAT" <"bsd$format" >out2
		cmp out out2
	done
	code=$(sed -n 2p names)
	{ sed -n 1p names; echo code; dirname "$code"; tail -n +2 names; } >folders
	tar -cf dirs -C x --no-recursion -T folders
	"$CASECAT" <dirs >out2
	cmp out out2
	# A repacked body is not left readable, nor anything runnable.
	chmod -R a+x x/remedy
	tar -cf loose -C x --no-recursion -T names
	"$CASECAT" <loose | tar -tvf - >listing
	grep '^----------.*/body$' listing
	run ! grep '^-.*x.* ' <(cut -c1-10 listing)
	zstd -q gnu -o gnu.zst
	"$CASECAT" <gnu.zst >out.zst
	zstd -qdc out.zst | cmp - out
	{ head -c 1000 gnu | zstd -qc; tail -c +1001 gnu | zstd -qc; } >two.zst
	"$CASECAT" <two.zst | zstd -qdc | cmp - out
}

@test "tar, bsdtar, zstd and sha256sum read what it writes" {
	"$BADCASE" signed >case
	"$CASECAT" <case >out
	bsdtar -tvf out >listing
	[ "$(wc -l <listing)" -eq 7 ]
	grep -q '^---------- .*/body$' listing
	bsdtar -xOf out case.json | jq -e '.format == "muss-case/1"'
	mkdir x
	tar -xf out -C x --no-same-owner 2>err
	[ ! -s err ]
	chmod -R u+rw x
	(cd x && sha256sum --quiet --strict -c MANIFEST)
	[ "$(wc -l <x/MANIFEST)" -eq "$(find x -type f ! -name MANIFEST | wc -l)" ]
	zstd -q case -o case.zst
	"$CASECAT" <case.zst >out.zst
	zstd -qdc out.zst | tar -t >names
	cmp names <(bsdtar -tf out)
	# The same members make the same bytes.
	"$CASECAT" <out | cmp - out
}

@test "the middle of a pipe that breaks is refused at its end" {
	"$BADCASE" good >case
	head -c 3000 case | "$CASECAT" >part 2>err || status=$?
	[ "${status:-0}" -eq 65 ]
	[ "$(wc -l <err)" -eq 1 ]
	run bash -c "set -o pipefail; head -c 3000 case | '$CASECAT' 2>/dev/null | '$CASECAT' 2>err | mls"
	[ "$status" -eq 65 ]
	[[ $output != *SCORE* ]]
	# A filter that was killed: its reader knows.
	"$BADCASE" large 64 >large
	{ "$CASECAT" <large & sleep 0.01; kill -9 $! 2>/dev/null; wait $! 2>/dev/null || true; } | head -c 30000000 >part
	fails 65 mls part
}

@test "a directory, a missing file and a full disk are no bad data" {
	"$BADCASE" good >case
	fails 74 "$CASECAT" out <.
	[ ! -e out ]
	run --separate-stderr bash -c "'$CASECAT' <case >/dev/full"
	[ "$status" -eq 74 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	"$BADCASE" large 24 >large
	run --separate-stderr bash -c "'$CASECAT' <large >/dev/full"
	[ "$status" -eq 74 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	fails 66 mls nowhere
}

@test "64 MiB pass in less than 32 MiB of memory" {
	asan_build && skip "the sanitizers need more"
	"$BADCASE" large 64 >case
	export CASECAT_PEAK=$TMP/peak
	"$CASECAT" <case | cmp - case
	[ "$(cat peak)" -lt 32768 ]
	zstd -q case
	"$CASECAT" <case.zst | zstd -qdc | cmp - case
	[ "$(cat peak)" -lt 32768 ]
}
