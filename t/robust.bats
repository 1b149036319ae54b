#!/usr/bin/env bats
# What every tool does when the disk is full or it is killed: an error that says so, nothing half-written, nothing left running.

# shellcheck disable=SC2154,SC2120 # bats' run sets variables; seal takes arguments

load common

tools="mscan mwhite mpack mls msend mrecv mkey mnicter mgen mverify magent mcenter"

# A small program that stays for a minute under a name of its own, and a case of it at each stage of the pipeline.
setup_file() {
	load common
	export W=$BATS_FILE_TMPDIR
	export MARK=linger$$
	cc -O1 -o "$W/$MARK" -x c - <<'C'
#include <unistd.h>
int main(void) { if (fork() == 0) setsid(); sleep(60); return 0; }
C
	mkey init "$W/ca" 2>"$W/log"
	mkey issue "$W/ca" host alice 2>>"$W/log"
	mkey issue "$W/ca" front localhost -a 127.0.0.1 2>>"$W/log"
	mkey issue "$W/ca" analysis analysis 2>>"$W/log"
	mkey issue "$W/ca" signer signer 2>>"$W/log"
	mkdir "$W/good"
	cp /bin/true "$W/good/"
	mwhite build -q -o "$W/idx" --dir "$W/good"
	mscan -f "$W/$MARK" "$W/good/true" >"$W/scan.case"
	mwhite -q -d "$W/idx" <"$W/scan.case" >"$W/white.case"
	mpack -p <"$W/white.case" >"$W/plain.case"
	seal <"$W/white.case" >"$W/sealed.case"
	mnicter micro -t 1 <"$W/plain.case" >"$W/micro.case"
	mgen <"$W/micro.case" >"$W/gen.case"
}

seal() {
	mpack -r "$W/ca/issued/analysis.crt" -k "$W/ca/issued/alice.key" -c "$W/ca/issued/alice.crt" "$@"
}

# Processes whose command line names this test's mark or output.
left_behind() {
	pgrep -af "$MARK|$W/out" || true
}

@test "every tool says 74 when its help does not fit on the disk" {
	for tool in $tools; do
		run --separate-stderr bash -c "$tool -h >/dev/full"
		[ "$status" -eq 74 ] || { echo "# $tool: $status"; false; }
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
}

@test "every tool says 74 when standard output is closed" {
	for tool in $tools; do
		run --separate-stderr bash -c "$tool -V >&-"
		[ "$status" -eq 74 ] || { echo "# $tool: $status"; false; }
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
	for tool in mls "mwhite -d $W/idx" "mpack -p" "mnicter micro -t 1" mgen "mverify -e host"; do
		fails 74 bash -c "$tool '$W/gen.case' >&-"
	done
}

@test "-o into a folder that is not there says 74" {
	for tool in "mwhite -d $W/idx" "mpack -p" "mnicter micro -t 1" mgen "mverify -e host"; do
		# shellcheck disable=SC2086 # words
		fails 74 $tool -o "$W/missing/out" "$W/gen.case"
	done
}

@test "every tool that writes a case or text says 74 when the disk is full" {
	local -a commands=(
		"mscan -f $W/$MARK"
		"mscan -p $$"
		"mwhite -d $W/idx <$W/scan.case"
		"mwhite info -d $W/idx"
		"mwhite query -d $W/idx $W/good/true"
		"mpack -p <$W/white.case"
		"mpack -r $W/ca/issued/analysis.crt -k $W/ca/issued/alice.key -c $W/ca/issued/alice.crt <$W/white.case"
		"mpack -u -a $W/ca/ca.crt -k $W/ca/issued/analysis.key -c $W/ca/issued/analysis.crt <$W/sealed.case"
		"mnicter micro --static <$W/plain.case"
		"mgen <$W/micro.case"
		"mverify -e host <$W/gen.case"
		"mls $W/plain.case"
		"mls -j $W/plain.case"
	)
	for command in "${commands[@]}"; do
		run --separate-stderr bash -c "$command >/dev/full"
		[ "$status" -eq 74 ] || { echo "# $command: $status: $stderr"; false; }
		[ -n "$stderr" ]
	done
	[ -c /dev/full ]
}

@test "-o onto a full file system says 74 and leaves nothing there" {
	run --separate-stderr unshare -rm bash -c '
		mkdir -p "$W/tiny" && mount -t tmpfs -o size=16k,mode=700 tmpfs "$W/tiny" || exit 99
		dd if=/dev/zero of="$W/tiny/fill" bs=1k count=64 2>/dev/null
		bad=0
		try() {
			"$@" 2>"$W/err"
			local status=$?
			[ $status -eq 74 ] || [ $status -eq 73 ] || { echo "$*: $status: $(cat "$W/err")"; bad=1; }
		}
		try mscan -o "$W/tiny/o" -f "$W/$MARK"
		try mwhite -d "$W/idx" -o "$W/tiny/o" "$W/scan.case"
		try mwhite build -o "$W/tiny/o" --dir "$W/good"
		try mpack -p -o "$W/tiny/o" "$W/white.case"
		try mnicter micro --static -o "$W/tiny/o" "$W/plain.case"
		try mgen -o "$W/tiny/o" "$W/micro.case"
		try mverify -e host -o "$W/tiny/o" "$W/gen.case"
		try mkey init "$W/tiny/ca"
		[ "$(ls -A "$W/tiny" | grep -vx -e fill -e ca)" = "" ] || { ls -lA "$W/tiny"; bad=1; }
		exit $bad'
	[ "$status" -ne 99 ] || skip "no user namespaces here"
	[ "$status" -eq 0 ] || { echo "$output"; echo "$stderr"; false; }
}

# killed NAME COMMAND...: COMMAND writes $W/out; it is killed at several moments; then it must run through.
killed() {
	local name=$1 delay pid whole=0 cut=0
	shift
	for delay in 0 0.002 0.01 0.03 0.1 0.3 0.6; do
		rm -f "$W/out"
		"$@" >/dev/null 2>&1 &
		pid=$!
		[ "$delay" = 0 ] || sleep "$delay"   # on a busy machine the shortest sleep is a long one
		kill -9 "$pid" 2>/dev/null && cut=$((cut + 1))
		wait "$pid" 2>/dev/null || true
		for _ in $(seq 100); do
			[ -z "$(left_behind)" ] && break
			sleep 0.02
		done
		[ -z "$(left_behind)" ] || { echo "# $name left: $(left_behind)"; return 1; }
		if [ -e "$W/out" ]; then
			mls "$W/out" >/dev/null || { echo "# $name left a half-written output"; return 1; }
			whole=$((whole + 1))
		fi
		[ -z "$(find "$W" -maxdepth 1 -name '.out*')" ] || { echo "# $name left a file beside"; return 1; }
	done
	[ "$cut" -gt 0 ] || { echo "# $name was never killed in time"; return 1; }
	"$@" || { echo "# $name does not run through afterwards"; return 1; }
	mls "$W/out" >/dev/null
}

@test "kill -9 of mscan" { killed mscan mscan -o "$W/out"; }
@test "kill -9 of mwhite" { killed mwhite mwhite -d "$W/idx" -o "$W/out" "$W/scan.case"; }
@test "kill -9 of mpack" { killed mpack mpack -r "$W/ca/issued/analysis.crt" -k "$W/ca/issued/alice.key" -c "$W/ca/issued/alice.crt" -o "$W/out" "$W/white.case"; }
@test "kill -9 of mpack -u" { killed mpack-u mpack -u -a "$W/ca/ca.crt" -k "$W/ca/issued/analysis.key" -c "$W/ca/issued/analysis.crt" -o "$W/out" "$W/sealed.case"; }
@test "kill -9 of mnicter, with its sample running" { killed mnicter mnicter micro -t 1 -o "$W/out" "$W/plain.case"; }
@test "kill -9 of mgen" { killed mgen mgen -o "$W/out" "$W/micro.case"; }
@test "kill -9 of mverify" { killed mverify mverify -e host -o "$W/out" "$W/gen.case"; }
