#!/usr/bin/env bats
# The catalogue of behaviours (testdata/behaviour): each is reported with its type and its object, and nothing else is.

# shellcheck disable=SC2154 # run sets status and output
load common

setup() {
	TABLE=$ROOT/testdata/behaviour/catalogue.json
}

@test "the catalogue: names once, all parts there, two that do nothing, and no sign that verdicts do not know" {
	[ "$(jq -r '.specimens[].name' "$TABLE" | sort | uniq -d)" = "" ]
	[ "$(jq '.specimens | length' "$TABLE")" -ge 140 ]
	jq -e 'all(.specimens[]; (.name | test("^[a-z0-9-]+$")) and ((.sh == null) != (.c == null)) and (.expect.signs | type == "object"))' "$TABLE"
	[ "$(jq '[.specimens[] | select(.baseline) | .expect | .files + .startup + (.signs | keys)] | add | length' "$TABLE")" -eq 0 ]
	[ "$(jq -r --slurpfile v "$ROOT/rules/verdict.json" '[.specimens[].expect.signs | keys[]] | unique[]
		| select(IN($v[0].signs[] | select(.source == "dynamic") | .name) | not)' "$TABLE")" = "" ]
	# and every sign of a run has a specimen, here or among the programs for Windows
	for sign in $(jq -r --slurpfile v "$ROOT/rules/verdict.json" '[.specimens[].expect.signs | keys[]] as $had | $v[0].signs[]
		| select(.source == "dynamic") | .name | select(IN($had[]) | not)' "$TABLE"); do
		grep -qw -- "$sign" "$ROOT/t/wine.bats"
	done
}

@test "a specimen does nothing where it is not wanted" {
	[ ! -e /.muss-scratch ]
	cd "$TMP"
	cc -O1 -w -DACT=act_drops_to_shm -o dropper "$ROOT/testdata/behaviour/files.c" -ldl
	run ./dropper
	[ "$status" -eq 0 ]
	[ ! -e /dev/shm/behaviour-helper ]
}

@test "what the comparison minds: what is missing, what is too much, what did not run" {
	need_root
	cd "$ROOT"
	sed 's|"+/etc/cron.d/behaviour"|"+/etc/cron.d/other"|; s|"+/var/tmp/behaviour.lock"||' "$TABLE" >"$TMP/wrong.json"
	run env CATALOGUE="$TMP/wrong.json" t/behaviours.sh "$MUSS_BUILD" cron-d locks-file copies-itself
	[ "$status" -eq 1 ]
	[[ $output == *"not ok 1 cron-d"*"files: missing +/etc/cron.d/other"*"files: too much created /etc/cron.d/behaviour"* ]]
	[[ $output == *"too much created /var/tmp/behaviour.lock"* ]]
	[[ $output == *"ok 2 copies-itself"* ]]
}

@test "every behaviour is reported, and nothing else" {
	need_root
	! asan_build || skip "the plain build is measured"
	cd "$ROOT"
	t/behaviours.sh "$MUSS_BUILD" >"$TMP/report" || {
		grep -v '^ok' "$TMP/report"
		return 1
	}
	[ "$(grep -c '^ok' "$TMP/report")" -ge 140 ]
	[ "$(grep -c '100 % *100 %' "$TMP/report")" -ge 6 ]
}
