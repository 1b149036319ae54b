#!/usr/bin/env bash
# Observes benign code: user machines (overlays of this one, with processes of their own, so that no test's specimen is among
# them), on which Debian's programs run and people work; and Debian's programs at rest. Writes labelled lines (judge.h) without
# a name of this machine: kinds, signs, packages. Root only; what is not installed is named and left out.
# usage: observe-benign.sh BUILD FILE        writes FILE; KNOWN=INDEX: with that whitelist of the packages; ONLY="HOST..."; KEEP_CASES=FOLDER
#        observe-benign.sh --submits BUILD   prints what a desktop submits with a package-built whitelist
#        observe-benign.sh --load BUILD      measures the constants of lib/judge/load.c
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

mode='write'
case ${1:-} in --submits | --load) mode=${1#--} && shift ;; esac
BUILD=${1:?usage: observe-benign.sh [--submits | --load] BUILD [FILE]}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
OUT=${2:-}
[ "$mode" != write ] || [ -n "$OUT" ] || { echo "observe-benign: write to which file?" >&2; exit 64; }
[ "$(id -u)" -eq 0 ] || { echo "observe-benign: needs root" >&2; exit 77; }
BIN=$BUILD/bin
export MUSS_SHARE=$PWD/rules NO_COLOR=1
# shellcheck source=t/machine.bash
. t/machine.bash

W=$(mktemp -d "${TMPDIR:-/tmp}/muss-benign.XXXXXX") || exit 1
chmod 755 "$W"
# shellcheck disable=SC2034 # machine.bash reads it
MACHINE_KEEP=$W
trap 'machine_stop_all; rm -rf "$W"' EXIT
trap 'exit 130' INT TERM

say() { echo "observe-benign: $*" >&2; }
stop() { say "$*"; exit 1; }

# ---- what runs: each function starts what one machine has ----

# user HOST COMMAND...: in the background, as the person at the machine; as HOST's root with `root`.
person='setsid setpriv --reuid=1000 --regid=1000 --clear-groups env HOME=/home/user TMPDIR=/home/user/.cache'
in_background() { machine_run "$1" sh -c 'cd /home/user && { '"$2"' "$@" </dev/null >/dev/null 2>&1 & }' sh "${@:3}"; }
user() { command -v "$2" >/dev/null 2>&1 || [[ $2 == /* ]] || { say "$2 is not installed"; return 0; }; in_background "$1" "$person" "${@:2}"; }
root() { command -v "$2" >/dev/null 2>&1 || [[ $2 == /* ]] || { say "$2 is not installed"; return 0; }; in_background "$1" setsid "${@:2}"; }
inside() { machine_run "$1" sh -ec "$2" || say "on $1: $2"; }

home() {
	inside "$1" "mkdir -p /home/user/work /home/user/.cache /run/user/1000 && cp -R $W/benign/. /home/user/work/ && chown -R 1000:1000 /home/user /run/user/1000"
}

# What a Debian without anybody at it has.
idle() {
	home "$1"
	inside "$1" 'mkdir -p /run/sshd && ssh-keygen -A >/dev/null 2>&1'
	root "$1" /usr/sbin/cron -f
	root "$1" /usr/sbin/sshd -D
	root "$1" dbus-daemon --system --nofork --nopidfile
	user "$1" bash -c 'while sleep 1; do :; done'
}

runtimes() {
	user "$1" java -cp /home/user/work Loop
	user "$1" java -Xint -cp /home/user/work Loop
	user "$1" node /home/user/work/loop.js
	user "$1" /usr/bin/python3 /home/user/work/loop.py
	user "$1" /usr/bin/python3 /home/user/work/callback.py
	user "$1" /usr/bin/python3 /home/user/work/closure.py
	user "$1" pypy3 /home/user/work/loop.py
	user "$1" luajit /home/user/work/loop.lua
	user "$1" ruby --jit /home/user/work/loop.rb
	user "$1" ruby /home/user/work/loop.rb
	user "$1" php -d opcache.enable_cli=1 -d opcache.jit=tracing -d opcache.jit_buffer_size=16M /home/user/work/loop.php
	user "$1" guile /home/user/work/loop.scm
	user "$1" sbcl --script /home/user/work/loop.lisp
	user "$1" perl /home/user/work/loop.pl
	user "$1" mono /home/user/work/Loop.exe
	user "$1" erl -noshell -eval 'F=fun(G,0)->0;(G,N)->G(G,N-1) end, (fun L()->F(F,100000),timer:sleep(200),L() end)().'
}

browser() {
	user "$1" chromium --headless --no-sandbox --disable-gpu --user-data-dir=/home/user/.config/chromium --remote-debugging-port=0 file:///home/user/work/page.html
}

desktop() {
	idle "$1"
	runtimes "$1"
	browser "$1"
}

server() {
	idle "$1"
	root "$1" nginx -g 'daemon off;'
	root "$1" apache2 -X -d /etc -C 'ServerRoot /tmp' -C 'PidFile /tmp/a.pid'
	user "$1" redis-server --port 6390 --save ''
	inside "$1" 'p=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1); [ -z "$p" ] || {
		mkdir -p /home/user/pg && chown 1000 /home/user/pg
		setpriv --reuid=1000 --regid=1000 --clear-groups "$p/initdb" -D /home/user/pg >/dev/null 2>&1
		ln -s "$p/postgres" /run/postgres-bin; }'
	# Its own just-in-time compiler, and regular expressions that are compiled.
	[ -z "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] ||
		user "$1" "$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/postgres" -D /home/user/pg -k /home/user/.cache -p 5499
	user "$1" php -S 127.0.0.1:8099 -t /home/user/work
	root "$1" tail -F /var/log/dpkg.log
	root "$1" rsync --daemon --no-detach --port 8730
}

# Builds of their own, debuggers, preloaded helpers, environments.
developer() {
	local i
	idle "$1"
	inside "$1" 'mkdir -p /home/user/src /home/user/bin /home/user/.local/bin /home/user/.cargo/bin /home/user/.cache/build
		i=0; for p in src/a.out src/server src/test-parser bin/tool .local/bin/helper .cargo/bin/rg2 .cache/build/main; do
			i=$((i + 1)); cc -O$((i % 3)) -DTAG=$i -o "/home/user/$p" /home/user/work/work.c; done
		cc -DTAG=90 -g -o /home/user/src/debugged /home/user/work/work.c
		cc -DTAG=91 -g -o /home/user/src/straced /home/user/work/work.c
		cc -DTAG=92 -static -s -o /home/user/src/static /home/user/work/work.c
		cc -DTAG=93 -o /home/user/src/rebuilt /home/user/work/work.c
		cc -DTAG=94 -o /home/user/src/cleaned /home/user/work/work.c
		printf "#include <stdlib.h>\nvoid *own(size_t n) { return malloc(n); }\n" >/home/user/src/shim.c
		cc -shared -fPIC -o /home/user/src/shim.so /home/user/src/shim.c
		printf "#!/bin/sh\nwhile sleep 1; do :; done\n" >/home/user/bin/watch-build; chmod +x /home/user/bin/watch-build
		chown -R 1000:1000 /home/user'
	for i in src/a.out src/server src/test-parser bin/tool .local/bin/helper .cargo/bin/rg2 .cache/build/main src/debugged src/straced \
		src/static src/rebuilt src/cleaned; do
		user "$1" "/home/user/$i"
	done
	user "$1" /home/user/bin/watch-build
	user "$1" env LD_PRELOAD=/home/user/src/shim.so sleep 1000
	user "$1" env LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2 sleep 1001
	user "$1" env LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libeatmydata.so sleep 1002
	user "$1" node /home/user/work/loop.js
	user "$1" /usr/bin/python3 -c 'import time
while True: time.sleep(1)'
	inside "$1" 'sleep 1
		cc -O3 -DTAG=95 -o /home/user/src/rebuilt.new /home/user/work/work.c && mv /home/user/src/rebuilt.new /home/user/src/rebuilt
		rm /home/user/src/cleaned'
	# shellcheck disable=SC2016 # expanded inside
	root "$1" sh -c 'exec gdb -q -nx -batch -ex "break usleep" -ex continue -ex "shell sleep 900" -p "$(pidof debugged)"'
	# shellcheck disable=SC2016
	root "$1" sh -c 'exec strace -o /dev/null -p "$(pidof straced)"'
}

# Programs that run while their packages are upgraded or removed: the old images are still there.
upgraded() {
	local p lib
	home "$1"
	mapfile -t running < <(printf '%s\n' /usr/sbin/cron /usr/sbin/nginx /usr/bin/redis-server /usr/bin/node /usr/bin/dbus-daemon /usr/bin/sleep /usr/bin/tail \
		/usr/bin/perl /usr/bin/bash)
	root "$1" /usr/sbin/cron -f
	root "$1" nginx -g 'daemon off;'
	user "$1" redis-server --port 6391 --save ''
	user "$1" node /home/user/work/loop.js
	root "$1" dbus-daemon --system --nofork --nopidfile
	user "$1" sleep 1000
	root "$1" tail -f /dev/null
	user "$1" perl /home/user/work/loop.pl
	user "$1" bash -c 'while sleep 1; do :; done'
	user "$1" sort -o /dev/null /dev/zero
	user "$1" cat /dev/pts/ptmx
	inside "$1" 'sleep 2; echo new >/run/note'
	for p in "${running[@]}"; do
		[ ! -e "$p" ] || inside "$1" "objcopy --add-section .version=/run/note $p /run/new 2>/dev/null && cat /run/new >$p.dpkg-new && chmod 755 $p.dpkg-new && mv $p.dpkg-new $p"
	done
	for lib in libc.so.6 libcrypto.so.3 libz.so.1; do
		lib=$(readlink -f "/usr/lib/x86_64-linux-gnu/$lib" 2>/dev/null || readlink -f "/lib/x86_64-linux-gnu/$lib")
		inside "$1" "objcopy --add-section .version=/run/note $lib /run/new 2>/dev/null && cat /run/new >$lib.dpkg-new && chmod 755 $lib.dpkg-new && mv $lib.dpkg-new $lib"
	done
	# Removed packages, whose programs still run.
	inside "$1" 'rm -f /usr/bin/sort /usr/bin/cat'
}

# What administrators and vendors add to a machine.
administered() {
	local i
	idle "$1"
	inside "$1" 'mkdir -p /opt/vendor/bin /opt/vendor/lib /opt/agent /usr/local/sbin /usr/local/lib /home/user/.config/systemd/user /home/user/.config/autostart /etc/udev/rules.d
		cc -O2 -s -DTAG=201 -o /opt/vendor/bin/vendord /home/user/work/work.c
		cc -O2 -DTAG=202 -o /opt/agent/agent /home/user/work/work.c
		cc -O1 -DTAG=203 -o /usr/local/bin/exporter /home/user/work/work.c
		cc -O1 -static -DTAG=204 -o /usr/local/bin/node_thing /home/user/work/work.c
		cc -O1 -DTAG=205 -o /usr/local/sbin/helperd /home/user/work/work.c
		cc -O1 -DTAG=206 -o /usr/local/bin/suidtool /home/user/work/work.c && chmod 4755 /usr/local/bin/suidtool
		cc -shared -fPIC -DTAG=207 -o /opt/vendor/lib/libvendor.so /home/user/src/shim.c 2>/dev/null || :
		for s in backup rotate-certs report sync-mirror; do
			printf "#!/bin/sh\n# %s\nset -e\ntest -d /srv || exit 0\nls /srv >/var/tmp/%s.log 2>/dev/null\n" $s $s >/usr/local/sbin/$s.sh; chmod 755 /usr/local/sbin/$s.sh; done
		printf "#!/usr/bin/python3\nimport os\nprint(os.listdir(\"/srv\"))\n" >/usr/local/bin/inventory.py; chmod 755 /usr/local/bin/inventory.py
		printf "%s\n" "5 2 * * * root /usr/local/sbin/backup.sh" "*/10 * * * * root /usr/local/bin/inventory.py >/dev/null 2>&1" >/etc/cron.d/site
		printf "%s\n" "#!/bin/sh" "exec /usr/local/sbin/report.sh" >/etc/cron.daily/site-report; chmod 755 /etc/cron.daily/site-report
		printf "%s\n" "#!/bin/sh -e" "/usr/local/sbin/rotate-certs.sh" "exit 0" >/etc/rc.local; chmod 755 /etc/rc.local
		printf "%s\n" "export EDITOR=vi" "alias ll=\"ls -l\"" "[ -x /usr/local/bin/exporter ] && PATH=\$PATH:/opt/vendor/bin" >/etc/profile.d/site.sh
		printf "[Unit]\nDescription=vendor\n[Service]\nExecStart=/opt/vendor/bin/vendord --daemon\n[Install]\nWantedBy=multi-user.target\n" >/etc/systemd/system/vendord.service
		printf "[Unit]\nDescription=agent\n[Service]\nExecStart=/opt/agent/agent\n" >/etc/systemd/system/agent.service
		printf "[Unit]\nDescription=sync\n[Timer]\nOnCalendar=daily\n" >/etc/systemd/system/sync-mirror.timer
		printf "[Service]\nExecStart=/usr/local/sbin/sync-mirror.sh\n" >/etc/systemd/system/sync-mirror.service
		printf "[Service]\nExecStart=/home/user/.local/bin/notes --tray\n" >/home/user/.config/systemd/user/notes.service
		mkdir -p /home/user/.local/bin; cc -O1 -DTAG=208 -o /home/user/.local/bin/notes /home/user/work/work.c
		printf "[Desktop Entry]\nType=Application\nName=Notes\nExec=/home/user/.local/bin/notes --tray\n" >/home/user/.config/autostart/notes.desktop
		printf "[Desktop Entry]\nType=Application\nName=Chat\nExec=/opt/vendor/bin/vendord --hidden\n" >/home/user/.config/autostart/chat.desktop
		printf "ACTION==\"add\", SUBSYSTEM==\"usb\", RUN+=\"/usr/local/sbin/helperd\"\n" >/etc/udev/rules.d/80-site.rules
		printf "%s\n" "alias gs=\"git status\"" "export PATH=\$HOME/.local/bin:\$PATH" "eval \"\$(dircolors -b)\"" >>/home/user/.bashrc
		mkdir -p /var/spool/cron/crontabs; printf "%s\n" "@reboot /home/user/.local/bin/notes" "0 * * * * curl -fsS https://example.org/ping >/dev/null" >/var/spool/cron/crontabs/user
		chown -R 1000:1000 /home/user /var/spool/cron/crontabs/user'
	for i in /opt/vendor/bin/vendord /opt/agent/agent /usr/local/bin/exporter /usr/local/bin/node_thing /usr/local/sbin/helperd; do
		root "$1" "$i"
	done
	user "$1" /home/user/.local/bin/notes
	root "$1" /usr/local/bin/suidtool
	root "$1" sh -c 'while :; do /usr/local/sbin/backup.sh; sleep 5; done'
	root "$1" tcpdump -i lo -w /dev/null
	inside "$1" 'mkdir -p /opt/vendor/app && cp /usr/bin/node /opt/vendor/app/electron'
	user "$1" /opt/vendor/app/electron /home/user/work/loop.js
}

# Containers: other roots, other process tables.
container() {
	idle "$1"
	inside "$1" 'mkdir -p /srv/image/app /srv/image/proc /srv/image/dev /srv/image/tmp; for d in usr bin lib lib64 sbin etc; do
			[ -L /$d ] && cp -P /$d /srv/image/$d || mkdir -p /srv/image/$d; done
		cc -O2 -static -DTAG=301 -o /srv/image/app/service /home/user/work/work.c; cc -O2 -DTAG=302 -o /srv/image/app/worker /home/user/work/work.c'
	for i in /app/service /app/worker "node /app/loop.js" "java -cp /app Loop" "python3 /app/loop.py"; do
		inside "$1" 'cp /home/user/work/loop.* /home/user/work/Loop.* /srv/image/app/ 2>/dev/null || :'
		# shellcheck disable=SC2086 # words
		root "$1" bwrap --unshare-pid --unshare-uts --bind /srv/image / --ro-bind /usr /usr --ro-bind /etc /etc --proc /proc --dev /dev --chdir / $i
	done
}

HOSTS=(idle desktop server developer upgraded administered container)

# ---- how it is looked at ----

prepare() {
	cp -R testdata/benign "$W/benign" || stop "no workloads"
	(cd "$W/benign" && { ! command -v javac >/dev/null || javac Loop.java; } && { ! command -v mcs >/dev/null || mcs Loop.cs 2>/dev/null; })
	if [ -n "${KNOWN:-}" ]; then
		cp "$KNOWN" "$W/known.idx" || stop "no index $KNOWN"
		return
	fi
	say "a whitelist of the packages"
	"$BIN/mwhite" -q build -o "$W/known.idx" --dpkg >/dev/null || stop "mwhite build"
}

# The package of each path, or where it stands and a few digits for its name: no path of this machine is told.
sources() {
	local path source
	awk -F '\t' 'NR == FNR { package[$1] = $2; next }
		{ name = $0; if (!(name in package)) name = "/usr" $0; if (!(name in package)) name = substr($0, 5)
			print $0 "\t" package[name] }' <(packaged) - | while IFS=$'\t' read -r path source; do
		[ -n "$source" ] || source=$(place "$path"):$(printf %s "$path" | sha256sum | cut -c 1-6)
		printf '%s\t%s\n' "$path" "$source"
	done | jq -Rc 'split("\t") | {key: .[0], value: .[1]}' | jq -sc from_entries
}

# PATH<tab>PACKAGE of everything that packages installed.
packaged() {
	[ -s "$W/packaged" ] || awk 'FNR == 1 { p = FILENAME; sub(".*/", "", p); sub(/(:[a-z0-9]*)?\.list$/, "", p) } { print $0 "\t" p }' \
		/var/lib/dpkg/info/*.list >"$W/packaged"
	cat "$W/packaged"
}

place() {
	case $1 in
	/usr/local/*) echo local ;;
	/home/* | /root/*) echo home ;;
	/opt/* | /etc/* | /var/*) echo "$1" | cut -d/ -f2 ;;
	/srv/* | /app/*) echo srv ;;
	/tmp/* | /run/* | /dev/*) echo volatile ;;
	*) echo elsewhere ;;
	esac
}

# label HOST SEEN <CASE: lines, those alike counted together. The scanner itself and the machine's own init are no part of it.
label() {
	local host=$1 seen=$2
	bsdtar -xOf - 'code/*/about.json' | jq -c --arg bin "$BIN/" '
		([.sightings[]?.exe // empty] + .paths | map(select(startswith("/")))) as $at
		| select([.paths[]? | startswith($bin)] | any | not) | select(.kind != "memory" or ([.sightings[]?.exe | startswith($bin)] | all | not))
		| {kind, size, signs: [.signs[].name] | sort, left: ((has("known") | not) or (.known.kept // null) != null),
			path: (if .kind == "memory" or (.paths[0] // "" | startswith("/") | not) then $at[0] // "-" else .paths[0] end)}' >"$W/pieces"
	jq -r .path "$W/pieces" | sort -u | sources >"$W/sources"
	jq -c --arg host "$host" --arg seen "$seen" --slurpfile s "$W/sources" \
		'{"label": "benign", host: $host, source: ($s[0][.path] // "-"), seen: $seen, kind, left, signs, size}' "$W/pieces" | jq -sc '
		group_by([.source, .kind, .left, .signs])[] | .[0] + {count: length, bytes: (map(.size) | add)} | del(.size)
		| {"label": .label, host, source, seen, kind, left, count, bytes, signs}'
}

observe() {
	local host=$1
	say "$host"
	machine_start "$host" || stop "the machine $host did not start"
	# Dumps of memory are larger than a machine's /tmp.
	machine_run "$host" mount -t tmpfs -o size=4g spool /var/tmp || stop "no room on $host"
	"$host" "$host"
	sleep "${SETTLE:-10}"
	machine_run "$host" env TMPDIR=/var/tmp "$BIN/mscan" -q >"$W/$host.case" || stop "mscan on $host"
	machine_run "$host" env TMPDIR=/var/tmp "$BIN/mwhite" -q -d "$W/known.idx" --keep-all <"$W/$host.case" >"$W/$host.marked" || stop "mwhite on $host"
}

# At rest: what packages installed, and what else stands where programs do.
at_rest() {
	say "programs at rest"
	nice "$BIN/mscan" -q -f /usr/bin /usr/sbin /usr/lib/x86_64-linux-gnu /usr/libexec /usr/local/bin /usr/local/sbin /opt >"$W/rest.case" || stop "mscan -f"
	"$BIN/mwhite" -q -d "$W/known.idx" --keep-all <"$W/rest.case" >"$W/rest.marked" || stop "mwhite"
}

# cpu COMMAND...: seconds of CPU that it and its children take.
cpu() {
	local TIMEFORMAT='%U %S'
	{ time "$@" >/dev/null 2>>"$W/errors"; } 2>&1 | awk '{ print $1 + $2 }'
}

# Files of random bytes behind a true program: N of SIZE KiB.
files() {
	local i
	mkdir -p "$W/$1"
	for ((i = 0; i < $2; i++)); do { cat "$W/small" && head -c "$3k" /dev/urandom; } >"$W/$1/$i" && chmod 755 "$W/$1/$i"; done
	"$BIN/mscan" -q -f "$W/$1" >"$W/$1.case" || stop "mscan -f"
}

# shellcheck disable=SC2016 # expanded by the inner shell
measure_load() {
	local seal='mpack -q -r ca/issued/an.crt -k ca/issued/h.key -c ca/issued/h.crt' open='mpack -q -u -a ca/ca.crt -k ca/issued/an.key -c ca/issued/an.crt'
	cd "$W" || exit 1
	PATH=$BIN:$PATH
	cc -s -O1 -o small benign/work.c || stop "no compiler"
	{ mkey init ca && mkey issue ca host h && mkey issue ca analysis an; } >/dev/null || stop "mkey"
	files few 20 1
	files many 220 1
	files large 20 1024
	for n in few many large; do
		printf -v "s_$n" %s "$(cpu sh -c "$seal <$n.case >$n.sealed")"
		printf -v "o_$n" %s "$(cpu sh -c "$open <$n.sealed >$n.open")"
	done
	printf 'HOST_SECONDS_SCAN      %s\n' "$(cpu machine_run idle sh -c '"$1/mscan" -q | "$1/mwhite" -q -d "$2"' sh "$BIN" "$W/known.idx")"
	# shellcheck disable=SC2154 # printf -v sets them
	awk -v f="$s_few" -v m="$s_many" -v l="$s_large" 'BEGIN { printf "HOST_SECONDS_PIECE     %.4f\nHOST_SECONDS_MIB       %.4f\n", (m - f) / 200, (l - f) / 20 }'
	# At the centre a worker is busy while code runs, so the time counts, and every piece is run.
	few=$EPOCHREALTIME
	mnicter micro -t 2 --min-score=-1000 <few.open >/dev/null 2>>errors
	awk -v a="$few" -v b="$EPOCHREALTIME" 'BEGIN { printf "CENTRE_SECONDS_PIECE   %.2f\n", (b - a) / 20 }'
	# shellcheck disable=SC2154
	awk -v a="$(cpu mnicter micro -t 2 <few.open)" -v b="$(cpu mnicter micro -t 2 <large.open)" -v o="$o_few" -v p="$o_large" \
		'BEGIN { printf "CENTRE_SECONDS_MIB     %.3f\n", (b - a + p - o) / 20 }'
}

case $mode in
load)
	machine_network || stop "no network of their own for the machines"
	prepare
	machine_start idle && idle idle && sleep 3 || stop "no machine"
	measure_load
	;;
write)
	machine_network || stop "no network of their own for the machines"
	prepare
	for host in ${ONLY:-"${HOSTS[@]}"}; do
		observe "$host"
		label "$host" live <"$W/$host.marked" >>"$W/lines"
		[ -z "${KEEP_CASES:-}" ] || cp "$W/$host.marked" "$KEEP_CASES/"
		machine_stop "$host"
	done
	[ -n "${ONLY:-}" ] || { at_rest && label rest rest <"$W/rest.marked" >>"$W/lines"; }
	cp "$W/lines" "$OUT.new" && mv "$OUT.new" "$OUT"
	say "$(wc -l <"$OUT") lines, $(stat -c %s "$OUT") bytes"
	;;
submits)
	machine_network || stop "no network of their own for the machines"
	prepare
	observe desktop
	machine_run desktop env TMPDIR=/var/tmp "$BIN/mscan" -q -w "$W/known.idx" -s submit >"$W/desktop.sent" || stop "mscan -w"
	printf 'an idle desktop, with its browser and the language runtimes running: %d pieces of code run, %d of them the whitelist leaves, %d are submitted\n' \
		"$("$BIN/mls" -j "$W/desktop.case" | wc -l)" "$(machine_run desktop env TMPDIR=/var/tmp "$BIN/mwhite" -q -d "$W/known.idx" <"$W/desktop.case" | "$BIN/mls" -j | wc -l)" \
		"$("$BIN/mls" -j "$W/desktop.sent" | wc -l)"
	# What a freshly installed machine has not: the workloads' own files and this build; what starts here by itself from no package.
	"$BIN/mls" -j "$W/desktop.sent" | jq -r --arg bin "$BIN/" 'if .path // "" | startswith("/home/user/") or startswith($bin) then "of the workloads and this build"
		elif (.signs | index("unowned")) and any(.signs[]; startswith("startup-")) then "of what this machine starts beside its packages"
		else "of a freshly installed machine" end' | sort | uniq -c
	"$BIN/mls" -l "$W/desktop.sent"
	;;
esac
