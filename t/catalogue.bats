#!/usr/bin/env bats
# The catalogue of techniques (testdata/catalogue): each is planted in a user machine, and mscan names it.

load common

setup_file() {
	[ "$(id -u)" -ne 0 ] || "$ROOT/t/catalogue.sh" "${MUSS_BUILD:-build}" -n 2 -o "$BATS_FILE_TMPDIR/seen" 2>"$BATS_FILE_TMPDIR/errors" || {
		cat "$BATS_FILE_TMPDIR/errors" >&2
		return 1
	}
}

setup() {
	SEEN=$BATS_FILE_TMPDIR/seen
	TABLE=$ROOT/testdata/catalogue/techniques.json
}

# none FILTER: no line of what was seen passes it; names those that do.
none() {
	local found
	found=$(jq -r --slurpfile table "$TABLE" "select($1) | \"\(.technique) \(.variation): \(.failed // \"\") \(.pieces)\"" "$SEEN")
	[ -z "$found" ] || { echo "# $found"; return 1; }
}

@test "the catalogue: names once, criteria that exist, techniques that are ATT&CK's, all that is inert" {
	[ "$(jq -r '.[].name' "$TABLE" | sort | uniq -d)" = "" ]
	[ "$(jq length "$TABLE")" -ge 45 ]
	jq -e 'all(.[]; (.attack | test("^T[0-9]{4}(\\.[0-9]{3})?$")) and (.plant | length > 0) and (.own | type == "array"))' "$TABLE"
	# what no criterion names is told as missed, so that it cannot be forgotten
	[ "$(jq -r --slurpfile c "$ROOT/rules/criteria.json" '.[] | select(.missed | not)
		| select(any(.own[]; IN($c[0].signs[].name)) | not) | .name' "$TABLE")" = "" ]
	cc -O1 -w -I"$ROOT/testdata/catalogue" -DACT=act_delete -DMARK="\"$TMP/mark\"" -DSEED=1u -DPAD=1 -o "$TMP/r" "$ROOT/testdata/catalogue/resident.c"
	[ ! -e /.muss-scratch ]
	timeout 5 "$TMP/r"
	[ -e "$TMP/r" ]
	[ -z "$(find "$TMP" -name 'mark*')" ]
	run bash -c '. "$1/testdata/catalogue/plant.bash"; plant /dev/null' sh "$ROOT"
	[ "$status" -ne 0 ]
}

@test "a variation follows from the seed, the technique and its number alone" {
	cd "$ROOT"
	t/catalogue.sh "$MUSS_BUILD" -p -n 2 -f 3 -t memfd-image -t cron-d | sed $'s|[^\x1f]*/catalogue-[0-9]*/||g' >"$TMP/one"
	t/catalogue.sh "$MUSS_BUILD" -p -n 2 -f 3 -t cron-d -t memfd-image | sed $'s|[^\x1f]*/catalogue-[0-9]*/||g' >"$TMP/two"
	[ "$(wc -l <"$TMP/one")" -eq 4 ]
	cmp "$TMP/one" "$TMP/two"
	t/catalogue.sh "$MUSS_BUILD" -p -n 2 -f 3 -s 2 -t cron-d -t memfd-image | sed $'s|[^\x1f]*/catalogue-[0-9]*/||g' >"$TMP/three"
	run ! cmp -s "$TMP/one" "$TMP/three"
}

@test "every specimen of the catalogue is planted, and named by a sign of its own" {
	need_root
	[ "$(wc -l <"$SEEN")" -eq "$((2 * $(jq length "$TABLE")))" ]
	none '.failed'
	none '. as $l | ($table[0][] | select(.name == ($l.technique | split("/")[1]))) as $t
		| ($t.missed | not) and (any(.pieces[].signs[]; IN($l.own[])) | not)'
}

@test "no specimen, machine or file of the catalogue is left" {
	need_root
	[ -z "$(find "$MUSS_BUILD" -maxdepth 1 -name 'catalogue-*' -newer "$BATS_FILE_TMPDIR")" ]
	! ls -d "${TMPDIR:-/tmp}"/muss-machine.* 2>/dev/null
}
