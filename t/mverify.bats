#!/usr/bin/env bats
# mverify: a good remedy is proven and signed; spoilt plans and spoilt removers are found out.
# shellcheck disable=SC2030,SC2031,SC2154

load common
load remedy

setup_file() {
	export MASTER=$BATS_FILE_TMPDIR
	TMP=$MASTER
	cd "$MASTER" || return 1
	specimen resident resident.c
	case_head
	resident_code malicious
	pack c in.case
	mgen -o gen.case in.case
	mkdir g
	bsdtar -xf gen.case -C g
	chmod -R u+rw g
	mkey init pki >/dev/null
	mkey issue pki signer s1 >/dev/null
	mkey issue pki host h1 >/dev/null
}

setup() {
	cd "$TMP" || return 1
	cp -r "$MASTER/g" g
}

# rebuild: remover and source anew from g/remedy/plan.json.
rebuild() {
	"$MUSS_BUILD/t/mkremover" -p g/remedy/linux-x86_64/remover <g/remedy/plan.json
}

# spoil SED: the remover from its source after an edit that must have changed something.
spoil() {
	sed "$1" g/remedy/linux-x86_64/source.c >spoilt.c
	run ! cmp -s spoilt.c g/remedy/linux-x86_64/source.c
	"$MUSS_BUILD/t/mkremover" -c g/remedy/linux-x86_64/remover <spoilt.c
}

# unsafe CHECK: the case of g/ is found unsafe by that check; it is written with its proof and without a certificate.
unsafe() {
	pack g g.case
	run --separate-stderr mverify -e host -k "$MASTER/pki/issued/s1.key" -c "$MASTER/pki/issued/s1.crt" -o out.case g.case
	echo "# $status: $stderr"
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[[ "$stderr" == *"mverify: warning: not safe: $1: "* ]]
	member out.case proof/host.json | jq -e --arg check "$1" '.result == "unsafe" and ([.checks[] | select(.pass | not) | .name] | index($check) != null)'
	[ -z "$(bsdtar -tf out.case | grep certificate)" ]
	bsdtar -tf out.case | grep -qx remedy/plan.json
	rm out.case
}

@test "a good remedy is safe: proof, certificate, signatures that openssl verifies" {
	run --separate-stderr mverify -v -e host -k "$MASTER/pki/issued/s1.key" -c "$MASTER/pki/issued/s1.crt" -o out.case "$MASTER/gen.case"
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	mkdir out
	bsdtar -xf out.case -C out
	cd out
	chmod -R u+r .
	sha256sum --quiet -c MANIFEST
	jq -e --arg r "$(sha256sum <remedy/linux-x86_64/remover | cut -d' ' -f1)" '.environment == "host" and .result == "safe" and .remover_sha256 == $r and
		.unproven == [] and ([.checks[] | select(.pass | not)] == []) and ([.checks[].name] == ["plan-is-current", "clean-system-untouched",
		"near-miss-untouched", "planted", "plan-mode-changes-nothing", "applied", "processes-ended", "indicators-gone", "nothing-else-changed",
		"second-run-idle", "undo-restores"])' proof/host.json
	jq -e --arg p "$(sha256sum <remedy/plan.json | cut -d' ' -f1)" --arg r "$(sha256sum <remedy/linux-x86_64/remover | cut -d' ' -f1)" \
		--slurpfile plan remedy/plan.json '.format == "muss-certificate/1" and .plan_sha256 == $p and .remover_sha256 == $r and .environments == ["host"]
		and .host == $plan[0].host.id and .plan == $plan[0].id and .expires == $plan[0].expires and .version == $plan[0].version' proof/certificate.json
	openssl cms -verify -binary -inform DER -in MANIFEST.sig -content MANIFEST -CAfile "$MASTER/pki/ca.crt" -purpose any -out /dev/null
	openssl cms -verify -binary -inform DER -in proof/certificate.json.sig -content proof/certificate.json -CAfile "$MASTER/pki/ca.crt" -purpose any -out /dev/null
	jq -e '.trail[-1].tool == "mverify"' case.json
}

@test "a unit with its link below the system's own folders, and a name in memory, are proven gone" {
	own=/usr/lib/systemd/.remedy-test/netlinkd unit=/etc/systemd/system/remedy-test.service
	wants=/etc/systemd/system/multi-user.target.wants/remedy-test.service
	printf '#include <unistd.h>\nint main(void) { return pause(); }\n' >quiet.c
	cc -o quiet quiet.c
	SHA=$(sha256sum <quiet | cut -d' ' -f1)
	SIZE=$(stat -c %s quiet)
	case_head
	d=c/code/$SHA
	mkdir -p "$d/dropped"
	cp quiet "$d/body"
	printf '[Service]\nExecStart=%s\n' "$own" >unit
	us=$(sha256sum <unit | cut -d' ' -f1)
	cp unit "$d/dropped/$us"
	jq -n --arg sha "$SHA" --argjson size "$SIZE" --arg us "$us" --arg own "$own" --arg unit "$unit" --arg wants "$wants" '{sha256: $sha, kind: "file",
		size: $size, score: 90, paths: ["/memfd:", $own], signs: [], sightings: [
		{how: "startup", place: "systemd", file: $wants, file_sha256: $us, whole: true, link: $unit, text: "ExecStart=\($own)"},
		{how: "startup", place: "systemd", file: $unit, file_sha256: $us, whole: true, text: "ExecStart=\($own)"}]}' >"$d/about.json"
	jq -n --arg sha "$SHA" --arg us "$us" --arg unit "$unit" --arg wants "$wants" '{sha256: $sha, how: "garden", run: "ran", argv: ["/tmp/x"], processes: [],
		startup: [], files: [{path: $unit, change: "created", type: "file", sha256: $us, size: 999},
		{path: $wants, change: "created", type: "link", target: $unit}]}' | jq --argjson n "$(stat -c %s unit)" '.files[0].size = $n' >"$d/dynamic.json"
	printf '{"sha256":"%s","verdict":"malicious","score":90,"reasons":[]}\n' "$SHA" >"$d/verdict.json"
	pack c in.case
	mgen -q in.case >gen.case
	member gen.case remedy/plan.json | jq -e --arg w "$wants" '[.operations[] | select(.path == $w) | .op] == ["remove-link"]'
	run --separate-stderr mverify -e host -o out.case gen.case
	echo "# $stderr"
	[ "$status" -eq 0 ]
	[ "$(member out.case proof/host.json | jq -r .result)" = safe ]
}

@test "without a signer: a proof, no certificate; twice is once" {
	mverify -e host <"$MASTER/gen.case" >out.case
	[ "$(bsdtar -tf out.case | grep proof)" = proof/host.json ]
	run ! grep -q MANIFEST.sig <(bsdtar -tf out.case)
	mverify -e host <out.case >out2.case
	[ "$(bsdtar -tf out2.case | grep -c proof)" -eq 1 ]
}

@test "this machine is as it was" {
	[ ! -e /.muss-scratch ]
	before=$(ls -la /etc/cron.d /etc/crontab /var/lib /root 2>&1; cat /proc/self/mounts)
	mverify -e host -o out.case "$MASTER/gen.case"
	[ "$(ls -la /etc/cron.d /etc/crontab /var/lib /root 2>&1; cat /proc/self/mounts)" = "$before" ]
	[ ! -e /var/lib/.systemd-private ]
	run ! pgrep -f "$LURK"
}

@test "a case without a remedy passes" {
	run --separate-stderr mverify -v -e host -o out.case "$MASTER/in.case"
	[ "$status" -eq 0 ]
	[ "$stderr" = "mverify: no remedy in the case: nothing to verify" ]
	run ! grep -q proof <(bsdtar -tf out.case)
}

@test "an operation less: what it was for is left" {
	for path in /etc/crontab /root/.config/autostart/dbus-session.desktop /var/lib/.systemd-private/udevd "$LURK"; do
		jq --arg p "$path" '.operations |= map(select(.path != $p))' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
		rebuild
		unsafe indicators-gone
	done
	jq '.operations |= map(select(.op != "terminate"))' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	rebuild
	unsafe processes-ended
}

@test "a wrong digest: nothing is done, so it is not safe" {
	jq '(.operations[] | select(.path == "/var/lib/.systemd-private/udevd") | .sha256) |= "aa" + .[2:]' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	rebuild
	unsafe indicators-gone
}

@test "a good file's line in the plan: a clean system would be harmed" {
	grep -qx 'export PATH' /etc/profile || skip "no such line here"
	jq --arg h "$(printf 'export PATH' | sha256sum | cut -d' ' -f1)" '.operations += [.operations[0] + {op: "remove-line", id: 99, path: "/etc/profile", line: "export PATH", line_sha256: $h}
		| del(.sha256, .size, .hint)]' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	rebuild
	unsafe clean-system-untouched
}

@test "a remover for another plan" {
	jq '.id = "99999999999999999999999999999999"' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	unsafe clean-system-untouched
	jq 'del(.operations[-1])' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	unsafe clean-system-untouched
}

@test "an old plan, another's plan" {
	jq '.expires = "2020-01-01T00:00:00Z"' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	unsafe plan-is-current
	jq '.host.id = "00000000000000000000000000000000"' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	unsafe plan-is-current
	jq '.case = "00000000000000000000000000000000"' "$MASTER/g/remedy/plan.json" >g/remedy/plan.json
	unsafe plan-is-current
}

@test "removers that do too little" {
	spoil 's/send_signal(&victims\[i\], SIGKILL)/0/'
	unsafe processes-ended
	spoil 's/rc = take_away(dir, name, aside, fd, op->sha);/rc = 0;/'
	unsafe indicators-gone
	spoil 's/out = write_new(dir, fresh, -1, m.after.p, m.after.len/out = write_new(dir, fresh, -1, m.before.p, m.before.len/'
	unsafe indicators-gone
}

@test "removers that do too much" {
	# by name and size alone
	spoil 's/|| sha_fd(\*fd, st->st_size, hex) || strcmp(hex, op->sha)) {/) {/; s/ || strcmp(hex, sha)) {/) {/; s/if (strcmp(hex, sha)) {/if (0) {/'
	unsafe near-miss-untouched
	spoil 's/^\tbegun = now();//; s/^\tumask(077);/\tunlink("\/etc\/issue");/'
	unsafe clean-system-untouched
	# only where it finds something to do
	spoil 's/^\tchange_files(MODE_APPLY);/\tchange_files(MODE_APPLY); unlink("\/etc\/issue");/'
	unsafe nothing-else-changed
	spoil 's/^\tchange_files(MODE_APPLY);/\tchange_files(MODE_APPLY); close(open("\/tmp\/left-over", O_CREAT | O_WRONLY, 0600));/'
	unsafe nothing-else-changed
	spoil 's/n == op->length && !memcmp(line, op->text, n)/n >= op->length \&\& !memcmp(line, op->text, op->length)/'
	unsafe clean-system-untouched
	spoil 's/if (mode == MODE_APPLY)$/if (mode != MODE_UNDO)/'
	unsafe plan-mode-changes-nothing
	# kills whatever runs
	spoil 's/|| !S_ISREG(st->st_mode) || st->st_size != op->size)/)/; s/return !strcmp(hex, op->sha);/return getppid() != 1;/; s/^\t\t\treturn !strcmp(hashed\[i\].hex, op->sha);/\t\t\treturn 1;/'
	unsafe processes-ended
}

@test "removers whose undo is not exact" {
	spoil 's/if (futimens(fd, t))/if (0)/'
	unsafe undo-restores
	spoil 's/if (fchmod(fd, (mode_t)journal_number(meta, "mode")))/if (0)/'
	unsafe undo-restores
	spoil 's/put_back(op, r, dir, name, op->sha, o)/0/'
	unsafe undo-restores
}

@test "removers that crash, hang on, or say nothing" {
	spoil 's/^\tumask(077);/\traise(SIGSEGV);/'
	unsafe clean-system-untouched
	spoil 's/^\treturn report(mode, json, now() - begun);/\treturn 0;/'
	unsafe clean-system-untouched
	printf 'no program at all\n' >g/remedy/linux-x86_64/remover
	unsafe clean-system-untouched
}

@test "bad input, wrong keys" {
	fails 64 mverify "$MASTER/gen.case"
	fails 64 mverify -e debian12 "$MASTER/gen.case"
	fails 64 mverify -e host -k x "$MASTER/gen.case"
	fails 77 mverify -e host -k "$MASTER/pki/issued/h1.key" -c "$MASTER/pki/issued/h1.crt" -o out.case "$MASTER/gen.case"
	[[ "$stderr" == *"role 'host'"* ]]
	head -c 3000 "$MASTER/gen.case" >cut.case
	fails 65 mverify -e host -o out.case cut.case
	rm g/remedy/linux-x86_64/remover
	pack g bad.case
	fails 65 mverify -e host -o out.case bad.case
	fails 66 mverify -e host -o out.case no-such.case
	fails 74 mverify -e host -o /dev/full "$MASTER/gen.case"
	[ ! -e out.case ]
}

@test "kill -9: no sample runs on, no mount stays, no half output" {
	mounts=$(cat /proc/self/mounts)
	for ms in 10 100 200 300 400 600; do
		timeout -s KILL "0.$(printf %03d "$ms")" mverify -e host -o out.case "$MASTER/gen.case" || true
		rm -f out.case
	done
	for _ in {1..50}; do
		pgrep -f "$LURK" >/dev/null || break
		sleep 0.1
	done
	run ! pgrep -f "$LURK"
	[ "$(cat /proc/self/mounts)" = "$mounts" ]
	[ -z "$(find . -maxdepth 1 -name '.*' -type f)" ]
	mverify -e host -o out.case "$MASTER/gen.case"
}

@test "usage" {
	run --separate-stderr mverify -h
	[ "$status" -eq 0 ]
	[[ "$output" == "usage: mverify"*"Examples:"*"Exit:"* ]]
	fails 64 mverify -e host -x
}
