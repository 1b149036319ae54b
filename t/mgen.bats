#!/usr/bin/env bats
# mgen: the plan, source and program it adds to a case, and what it does with cases that give nothing to remove.
# shellcheck disable=SC2030,SC2031,SC2154

load common
load remedy

setup() {
	cd "$TMP" || return 1
	specimen resident resident.c
	case_head
}

@test "a case with malicious code gets plan, source and program" {
	resident_code malicious
	other_code suspicious
	pack c in.case
	run --separate-stderr mgen -o out.case in.case
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ -z "$stderr" ]
	mkdir out
	bsdtar -xf out.case -C out
	(cd out && chmod -R u+r . && sha256sum --quiet -c MANIFEST)
	jq -e --arg sha "$SHA" '.format == "muss-plan/1" and .case == "00112233445566778899aabbccddeeff" and .target == "linux-x86_64"
		and .host == {id: "ffeeddccbbaa99887766554433221100", name: "patient"} and .codes == [$sha] and .version > 1600000000000
		and ((.expires | fromdateiso8601) - (.created | fromdateiso8601) == 7 * 86400)' out/remedy/plan.json
	jq -c '.operations[] | [.op, .path, .optional // false]' out/remedy/plan.json >ops
	cat >want <<-END
		["terminate",null,false]
		["remove-line","/etc/crontab",false]
		["quarantine","/etc/cron.d/sysstat-collect",false]
		["quarantine","/root/.config/autostart/dbus-session.desktop",false]
		["remove-line","/etc/cron.d/sysstat-collect",true]
		["quarantine","$LURK",false]
		["quarantine","/var/lib/.systemd-private/udevd",false]
	END
	diff want ops
	# the source is what the program was made from, and the same plan makes the same again
	"$MUSS_BUILD/t/mkremover" -p again <out/remedy/plan.json
	cmp again out/remedy/linux-x86_64/remover
	[ "$(stat -c %a out/remedy/linux-x86_64/remover)" = 644 ]
	readelf -h out/remedy/linux-x86_64/remover | grep -q 'EXEC'
	jq -e '.trail[-1].tool == "mgen"' out/case.json
	# everything else as it was
	diff -r c/code out/code
}

@test "standard input to standard output, zstd stays zstd" {
	resident_code malicious
	pack c in.case
	zstd -q in.case
	mgen <in.case.zst >out.zst
	zstd -dcq out.zst | tar -t | grep -qx remedy/plan.json
}

@test "nothing malicious: the case goes on without a remedy" {
	resident_code suspicious
	other_code good
	pack c in.case
	run --separate-stderr mgen -v -o out.case in.case
	[ "$status" -eq 0 ]
	[ "$stderr" = "mgen: nothing to remove: the case goes on without a remedy" ]
	[ -z "$(bsdtar -tf out.case | grep remedy)" ]
	run --separate-stderr mgen -o out2.case in.case
	[ -z "$stderr" ]
}

@test "an earlier remedy and its proof are replaced" {
	resident_code malicious
	mkdir -p c/remedy/linux-x86_64 c/proof
	echo '{}' >c/remedy/plan.json
	echo old >c/remedy/linux-x86_64/remover
	echo '{}' >c/proof/host.json
	pack c in.case
	mgen -o out.case in.case
	[ "$(bsdtar -tf out.case | grep -c 'remedy/plan.json')" -eq 1 ]
	[ -z "$(bsdtar -tf out.case | grep proof)" ]
	member out.case remedy/plan.json | jq -e '.operations | length > 0'
}

@test "what must not be touched is left out, and said" {
	resident_code malicious
	jq '.paths += ["/usr/bin/dpkg", "/boot/vmlinuz", "/lib/x86_64-linux-gnu/libc.so.6", "relative", "/tmp/../etc/x"]' "c/code/$SHA/about.json" >x
	mv x "c/code/$SHA/about.json"
	pack c in.case
	run --separate-stderr mgen -o out.case in.case
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"mgen: warning: not in the plan: quarantine of '/usr/bin/dpkg': '/usr/bin/dpkg' belongs to a package"* ]]
	[[ "$stderr" == *"/boot/vmlinuz"*"protected"* ]]
	member out.case remedy/plan.json >plan.json
	[ -z "$(jq -r '.operations[].path // empty' plan.json | grep -e /usr/bin -e /boot -e libc -e '\.\.' -e relative)" ]
	jq -e '.notes | length == 4' plan.json
}

@test "a system program that a verdict calls malicious is not ended" {
	cp /bin/sh resident
	SHA=$(sha256sum <resident | cut -d' ' -f1)
	# shellcheck disable=SC2034 # resident_code's
	SIZE=$(stat -L -c %s /bin/sh)
	resident_code malicious
	pack c in.case
	run --separate-stderr mgen -o out.case in.case
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"essential program"* ]]
	member out.case remedy/plan.json | jq -e --arg sha "$SHA" '[.operations[] | select(.sha256 == $sha)] == []'
}

@test "hostile names become data" {
	resident_code malicious
	jq '.paths = ["/tmp/\"; system(\"id\"); \u0001\uf7ff%s/a*b"]' "c/code/$SHA/about.json" >x
	mv x "c/code/$SHA/about.json"
	pack c in.case
	mgen -o out.case in.case
	member out.case remedy/linux-x86_64/source.c >s.c
	grep -qF '"/tmp/\042; system(\042id\042); \001\377\045s/a*b"' s.c
	[ -z "$(LC_ALL=C grep -n '[^[:print:][:space:]]' s.c)" ]
}

@test "bad input" {
	resident_code malicious
	pack c in.case
	head -c 3000 in.case >cut.case
	fails 65 mgen -o out.case cut.case
	fails 65 mgen -o out.case /dev/null
	fails 66 mgen -o out.case no-such.case
	[ ! -e out.case ]
	echo '{"verdict":' >"c/code/$SHA/verdict.json"
	pack c bad.case
	fails 65 mgen -o out.case bad.case
	jq 'del(.host)' c/case.json >x
	mv x c/case.json
	resident_code malicious
	pack c bad.case
	fails 65 mgen -o out.case bad.case
	[[ "$stderr" == *"no host id"* ]]
	[ ! -e out.case ]
	fails 64 mgen -t windows in.case
	fails 64 mgen in.case in.case
	fails 74 mgen -o /dev/full in.case
}

@test "kill -9 leaves nothing behind" {
	resident_code malicious
	pack c in.case
	for ms in 1 5 10 20 30 50; do
		timeout -s KILL "0.0$(printf %02d "$ms")" mgen -o out.case in.case || true
		if [ -e out.case ]; then
			bsdtar -tf out.case >/dev/null
			rm out.case
		fi
	done
	[ -z "$(find . -maxdepth 1 -name '.*' -type f)" ]
	mgen -o out.case in.case
}

@test "usage" {
	run --separate-stderr mgen -h
	[ "$status" -eq 0 ]
	[[ "$output" == "usage: mgen"*"Examples:"*"Exit:"* ]]
	run --separate-stderr mgen -V
	[ "$status" -eq 0 ]
	fails 64 mgen -x
}
