#!/usr/bin/env bats
# The criteria's weights and threshold come out of the labelled observations, and keep what they promise.

# shellcheck disable=SC2154 # run sets status, output and stderr
load common

setup() {
	DERIVE=$MUSS_BUILD/t/derive
	DATA=("$ROOT"/testdata/labelled/*.ndjson)
	export MUSS_SHARE=$ROOT/rules
	cd "$TMP" || return 1
}

setup_file() {
	MUSS_SHARE=$ROOT/rules "$MUSS_BUILD/t/derive" -j "$ROOT"/testdata/labelled/*.ndjson >"$BATS_FILE_TMPDIR/report" 2>"$BATS_FILE_TMPDIR/errors" || :
}

report() { jq -e "$@" "$BATS_FILE_TMPDIR/report"; }

@test "the shipped weights and threshold are those that the committed data give, byte for byte" {
	local i
	[ "${#DATA[@]}" -eq 2 ]
	run --separate-stderr "$DERIVE" "${DATA[@]}"
	[ "$status" -eq 0 ] || { echo "# $stderr"; false; }
	# From other weights they are found again, whichever order the data come in.
	cp "$ROOT/rules/criteria.json" other.json
	sed -i -E 's/"weight": [0-9.]+, "estimate"/"weight": 77, "estimate"/; s/"submit": [0-9.]+/"submit": 99/' other.json
	run ! cmp -s other.json "$ROOT/rules/criteria.json"
	run --separate-stderr "$DERIVE" -c other.json "${DATA[@]}"
	[ "$status" -eq 1 ]
	[[ $stderr == *"'make derive' writes them" ]]
	"$DERIVE" -w -c other.json "${DATA[1]}" "${DATA[0]}" >table
	cmp other.json "$ROOT/rules/criteria.json"
	for i in WEIGHT RECALL THRESHOLD TECHNIQUE; do grep -q "$i" table; done
}

@test "the data: every technique in thirty variations, just-in-time runtimes and a browser; no path, no host" {
	[ "$(cat "${DATA[@]}" | wc -c)" -lt 4000000 ]
	report '[.recall.techniques[].recall.of] | length >= 30 and min >= 30' >/dev/null
	for source in openjdk nodejs chromium luajit mono pypy3 ruby sbcl nginx redis; do
		grep -q "\"source\":\"$source" "$ROOT/testdata/labelled/benign.ndjson" || { echo "# nothing of $source"; false; }
	done
	run ! grep -E '"[^"]*/(home|root|usr|etc|var|tmp|work)/' "${DATA[@]}"
}

@test "recall: what the scan shows of the catalogue is found, by weights that did not see the variation; it shows all" {
	report '.recall.techniques | map(select(.variation_out.found < .seen) | "\(.technique) \(.variation_out.found)") | . == [] or (debug | false)'
	report '.recall.all | .seen == .recall.of and .recall.found == .recall.of and .variation_out.low > 0.99 and .technique_out.low > 0.99'
}

@test "recall: without each technique's own signs" {
	report '.recall.all.own_out | .found / .of >= 0.95'
	report '.recall.all.variation_own_out | .found / .of >= 0.95'
	report '.recall.all.technique_own_out | .found / .of >= 0.95'
	# none of them is left to its own signs alone
	report 'all(.recall.techniques[].own_out; .found / .of >= 0.4)'
}

@test "the threshold: at most 5 pieces of code of a desktop's packages, the load by threshold beside" {
	report '.submit as $t | .load.curve[] | select(.threshold == $t) | .pieces_day >= 0 and .centre_seconds_day >= 0'
	report '[.load.curve[] | .recall] | . == (sort | reverse)'
	report '[.load.curve[] | .pieces_day] | . == (sort | reverse)'
	# What a person added to the machine is no part of a freshly installed one: it has a place for its source, not a package.
	[ "$(jq -s --slurpfile c "$ROOT/rules/criteria.json" '
		($c[0].signs | map({key: .name, value: .}) | from_entries) as $s
		| map(select(.host == "desktop" and .left and (.source | test(":") | not)))
		| map(select([.signs[] | $s[.] // empty] | group_by(.group) | map(map(.weight) | max) | add // 0 | . >= $c[0].submit - 0.01) | .count) | add // 0
		' "$ROOT/testdata/labelled/benign.ndjson")" -le 5 ]
}

@test "derive: refuses what it cannot use" {
	fails 64 "$DERIVE"
	fails 66 "$DERIVE" /nowhere
	echo '{"label":"so"}' >bad
	fails 65 "$DERIVE" bad
	fails 66 "$DERIVE" -c /nowhere bad
	run "$DERIVE" -h
	[ "$status" -eq 0 ]
}
