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
