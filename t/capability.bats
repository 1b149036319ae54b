#!/usr/bin/env bats
# rules/capability: each rule is found in a specimen made of its own example, and not in its near miss; bad rules are refused.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

CAPABLE=$MUSS_BUILD/t/capable

setup() {
	export MUSS_SHARE=$ROOT/rules
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
}

# make_specimen JSON FILE: a file that does nothing, of what a rule's "example" or "near" says. "trace" ones are no files.
make_specimen() {
	case $(jq -r 'keys | join(" ")' <<<"$1") in
	script) { echo '#!/bin/sh'; jq -jr .script <<<"$1"; } >"$2" ;;
	c) jq -r .c <<<"$1" | cc -O1 -w -x c -o "$2" - ;;
	*)
		if [ "$(jq -r .os <<<"$1")" = windows ]; then
			"$CAPABLE" pe "$2" <<<"$1"
		else
			# A library that calls all of them in one function, and that nobody loads.
			jq -r '(.calls[] | "int \(.)();"), "const char *const texts[] = {", (.strings[] | "\(tojson),"), "0};",
				"int together(int n) { return 0", (.calls[] | "+ \(.)(n)"), "; }"' <<<"$1" |
				cc -O1 -w -fno-builtin -fPIC -shared -nostdlib -x c -o "$2" -
		fi
		;;
	esac
}

# A case of all files of a folder, through mnicter; prints "name-of-file capability" lines.
capabilities_of() (
	cd "$1" || exit
	for f in *; do
		sha=$(sha256sum <"$f" | cut -c1-64)
		[ -d "../c/code/$sha" ] && continue
		mkdir -p "../c/code/$sha"
		printf '{"sha256":"%s","kind":"file","size":%d,"paths":["/x/%s"],"sightings":[],"signs":[],"score":0}\n' "$sha" "$(stat -Lc %s "$f")" "$f" >"../c/code/$sha/about.json"
		cp "$f" "../c/code/$sha/body"
		chmod 600 "../c/code/$sha/body"
		echo "$sha $f" >>../names
	done
	cd ../c || exit
	printf '{"format":"muss-case/1","id":"%032d","time":"2026-11-22T21:30:00Z","host":{"id":"%032d","name":"t"},"trail":[]}\n' 1 2 >case.json
	members=(case.json)
	while read -r sha _; do members+=("code/$sha/about.json" "code/$sha/body"); done <../names
	sha256sum "${members[@]}" >MANIFEST
	tar --format=pax --owner=0 --group=0 -cf ../in.case "${members[@]}" MANIFEST
	cd ..
	mnicter micro --static -o out.case in.case
	bsdtar -xOf out.case 'code/*/static.json' | jq -r '.sha256 as $s | .capabilities[] | "\($s) \(.name)"' | sort >by-digest
	sort names | join - by-digest | cut -d' ' -f2-
)

@test "each rule is found in its example and not in what is nearly that" {
	"$CAPABLE" list >rules.ndjson
	[ "$(wc -l <rules.ndjson)" -ge 60 ]
	# Two hundred emulated programs: under the sanitizers every fourth rule is enough to walk the same code.
	! asan_build || sed -i '1~4!d' rules.ndjson
	mkdir files
	while IFS= read -r rule; do
		name=$(jq -r .name <<<"$rule")
		example=$(jq -c .example <<<"$rule") near=$(jq -c .near <<<"$rule")
		if [[ $example == '{"trace"'* ]]; then
			"$CAPABLE" trace <<<"$example" | grep -qx "$name" || { echo "# $name is not found in its trace"; false; }
			! "$CAPABLE" trace <<<"$near" | grep -qx "$name" || { echo "# $name is found in its near trace"; false; }
			continue
		fi
		make_specimen "$example" "files/$name-bad"
		make_specimen "$near" "files/$name-good"
		echo "$name" >>wanted
	done <rules.ndjson
	capabilities_of files >found
	while read -r name; do
		grep -qx -- "$name-bad $name" found || echo "not found: $name" >>wrong
		! grep -qx -- "$name-good $name" found || echo "found in its near miss: $name" >>wrong
	done <wanted
	[ ! -e wrong ] || { sed 's/^/# /' wrong; false; }
}

@test "each rule has a weight, which follows from how much goodware has it" {
	"$CAPABLE" list | jq -r .name | sort >names-of-rules
	jq -r '.capabilities[].name' "$ROOT/rules/verdict.json" | sort | diff - names-of-rules
	jq -e '.capabilities | all(.[]; if .of == 0 then .weight == 4 and .hits == 0 else .of > 500 and .weight == ([0, ([12, (0.05 * (.of + 1) / (.hits + 0.5) | log10 * 10 | floor)] | min)] | max) end)' "$ROOT/rules/verdict.json"
	# Estimates are those of what no goodware here could have.
	"$CAPABLE" list | jq -r 'select(.example.os == "windows" or .example.trace) | .name' | sort >estimated
	jq -r '.capabilities[] | select(.of == 0) | .name' "$ROOT/rules/verdict.json" | sort | diff - estimated
}

@test "ordinary programs have few capabilities, and none that is rare in goodware" {
	mkdir files
	cp /usr/bin/env /usr/bin/sort /usr/bin/tar /usr/bin/bash /usr/bin/perl files
	capabilities_of files >found
	jq -r '.capabilities[] | select(.of > 0 and .hits == 0) | .name' "$ROOT/rules/verdict.json" >rare
	! cut -d' ' -f2 found | grep -Fxf rare || return 1
	bsdtar -xOf out.case 'code/*/verdict.json' | jq -se 'length == 5 and all(.[]; .verdict == "unknown")'
	# They do have what they have.
	grep -q '^bash discover-accounts$' found
}

@test "a rule that is wrong ends the work with 78, file and rule named; other rules, another analysis" {
	cp -r "$ROOT/rules" rules
	mkdir files
	cp /usr/bin/env files/env
	capabilities_of files >found
	export MUSS_SHARE=$PWD/rules
	echo '{"format": "muss-capability/1", "rules": [{"name": "my-rule", "namespace": "x", "meaning": "m", "technique": [], "when": {"strin": "x"}}]}' >rules/capability/zz.json
	fails 78 mnicter micro --static -o no.case in.case
	[[ $stderr == *zz.json*my-rule*strin* ]] && [ ! -e no.case ]
	rm rules/capability/zz.json
	mnicter micro --static -k known -o one.case in.case
	echo '{"format": "muss-capability/1", "rules": [{"name": "my-rule", "namespace": "x", "meaning": "m", "technique": [], "when": {"import": "execvp"}}]}' >rules/capability/zz.json
	mnicter micro --static -k known -o two.case in.case
	bsdtar -xOf two.case 'code/*/static.json' | jq -e '.capabilities | any(.name == "my-rule" and .evidence[0].kind == "import")'
	rm -r rules/capability
	fails 66 mnicter micro --static -o no.case in.case
}

@test "YARA rules are compiled without a warning" {
	command -v yarac >/dev/null || skip "no yarac"
	for f in "$ROOT"/rules/*.yar; do
		run -0 --separate-stderr yarac -w "$f" /dev/null
		run -0 --separate-stderr yarac "$f" "$TMP/compiled"
		[ -z "$stderr" ] && [ -z "$output" ] || { echo "# $f: $stderr $output"; false; }
	done
}
