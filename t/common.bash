# common: what every bats file loads. $BIN: the tools under test; $TMP: this test's scratch folder.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
MUSS_BUILD=${MUSS_BUILD:-$ROOT/build}
BIN=$MUSS_BUILD/bin
LIBEXEC=$MUSS_BUILD/libexec/muss
TMP=$BATS_TEST_TMPDIR
PATH=$BIN:$PATH
export ROOT MUSS_BUILD BIN LIBEXEC TMP PATH
export NO_COLOR=1

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
}

# Under AddressSanitizer addresses, memory limits and timings differ.
asan_build() {
	[[ $MUSS_BUILD == *san ]]
}

# stand_in_helper NAME: in ./b an mnicter with every real helper but NAME, whose script is put there by put_helper.
stand_in_helper() {
	mkdir -p b/bin b/libexec/muss
	cp "$BIN/mnicter" b/bin/
	cp "$LIBEXEC"/* b/libexec/muss/
	rm "b/libexec/muss/$1"
	STAND_IN=b/libexec/muss/$1
	export MUSS_SHARE=$ROOT/rules
}

put_helper() {   # its lines behind "#!/bin/sh" on stdin
	{ echo '#!/bin/sh'; cat; } >"$STAND_IN"
	chmod 755 "$STAND_IN"
}

# fails CODE COMMAND...: COMMAND ends with CODE, prints nothing on stdout and exactly one line on stderr.
# shellcheck disable=SC2154 # run sets status, output and stderr
fails() {
	local want=$1
	shift
	run --separate-stderr -- "$@"
	if [ "$status" -ne "$want" ] || [ -n "$output" ] || [ "${#stderr_lines[@]}" -ne 1 ]; then
		echo "# wanted exit $want, no output, one line of error; got exit $status"
		echo "# stdout: $output"
		echo "# stderr: $stderr"
		return 1
	fi
}

# case_of FILE PATH: a case with that one piece of code, worth running.
case_of() (
	sha=$(sha256sum <"$1" | cut -c1-64)
	mkdir -p "$TMP/c/code/$sha"
	cd "$TMP/c" || exit
	printf '{"format":"muss-case/1","id":"%032d","time":"2026-11-22T21:30:00Z","host":{"id":"%032d","name":"t"},"trail":[]}\n' 1 2 >case.json
	printf '{"sha256":"%s","kind":"file","size":%d,"paths":["%s"],"sightings":[],"signs":[],"score":60}\n' \
		"$sha" "$(stat -Lc %s "$1")" "$2" >"code/$sha/about.json"
	cp "$1" "code/$sha/body"
	sha256sum case.json "code/$sha/about.json" "code/$sha/body" >MANIFEST
	tar --format=pax --owner=0 --group=0 -cf - case.json "code/$sha/about.json" "code/$sha/body" MANIFEST
)
