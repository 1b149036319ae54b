#!/usr/bin/env bash
# catalogue: plants the specimens of testdata/catalogue in user machines, lets mscan look, and writes what it saw of each:
# the suspicious half of the labelled data (testdata/labelled/README.md). Root only.
# usage: catalogue.sh BUILD [-n VARIATIONS] [-f FIRST] [-s SEED] [-t TECHNIQUE]... [-o FILE] [-p] [-j JOBS]
#   -f   the first variation's number (1); a variation depends on the seed, its technique and its number alone
#   -p   only print the plan
# KNOWN=INDEX: pieces of code that this whitelist would drop are marked, "left":false: they are never sent in.
# It ends with 1 when a specimen could not be planted, which its line then says.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 64

usage() {
	sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
	exit 64
}
[ $# -ge 1 ] || usage
build=$1
shift
case $build in /*) ;; *) build=$PWD/$build ;; esac
variations=30 first=1 seed=1 output='' only_plan='' wanted=() jobs=$(nproc)
while getopts n:f:s:t:o:pj: o; do
	case $o in
	n) variations=$OPTARG ;; f) first=$OPTARG ;; s) seed=$OPTARG ;; t) wanted+=("$OPTARG") ;;
	o) output=$OPTARG ;; p) only_plan=1 ;; j) jobs=$OPTARG ;; *) usage ;;
	esac
done
CATALOGUE=testdata/catalogue
WORK=$build/catalogue-$$
BIN=$build/bin
export MUSS_SHARE=${MUSS_SHARE:-$PWD/rules}

# ---- chance: splitmix64, so that a variation can be made again anywhere ----

STATE=0 history=''
random() { # N: a number below N in $R
	local z
	STATE=$((STATE + 0x9e3779b97f4a7c15))
	z=$STATE
	z=$(((z ^ ((z >> 30) & 0x3ffffffff)) * 0xbf58476d1ce4e5b9))
	z=$(((z ^ ((z >> 27) & 0x1fffffffff)) * 0x94d049bb133111eb))
	z=$((z ^ ((z >> 31) & 0x1ffffffff)))
	R=$(((z & 0x7fffffffffffffff) % $1))
}

seed_from() { # WORD NUMBER
	local i c
	STATE=$((seed * 1000003 + $2))
	for ((i = 0; i < ${#1}; i++)); do
		printf -v c %d "'${1:i:1}"
		STATE=$((STATE * 31 + c))
	done
	random 2
}

pick() { # VARIABLE WORD...
	local variable=$1
	shift
	random $#
	shift "$R"
	printf -v "$variable" %s "$1"
}

# ---- what a variation may be ----

FIRSTS=(upd sync net disk mem log font cache kern dev bus user auth host acpi usb snmp dns ntp cert gfx print media power pkg task)
ENDS=(d ctl mon helper agent svc watch cfg stat -daemon -worker -update _run x -notify bridge)
SYSTEM_PLACES=(/usr/bin /usr/sbin /usr/local/bin /usr/local/sbin /usr/libexec /usr/lib/x86_64-linux-gnu /opt/@/bin /usr/lib/@ /usr/share/@)
STATE_PLACES=(/var/lib/@ /var/cache/@ /var/log/@ /srv/@ /home/anna/@ /root/@ /etc/@ /var/opt/@ /media/@)
HIDDEN_PLACES=(/root/.@ /home/bert/.config/.@ /var/lib/.@ /usr/lib/.@ /usr/share/fonts/.@ /etc/.@ /var/spool/.@/x /opt/.@/bin /root/.cache/@)
ODD_PLACES=('/usr/lib/...' '/var/lib/ /@' '/usr/lib/@ ' '/home/anna/.. ' '/var/cache/...@' '/etc/ @' '/usr/share/@ /x' '/srv/ ' $'/opt/\xe2\x80\x8b@' $'/var/lib/@\x01')
DROPPED_PLACES=(/usr/bin /usr/local/bin /usr/local/sbin /tmp/@ /var/tmp /dev/shm)
TEMPORARY_PLACES=(/tmp /var/tmp /tmp/@ /var/tmp/@ /tmp/.@ /var/tmp/systemd-private-@)
MEMORY_PLACES=(/dev/shm /dev/shm/@ /dev/shm/.@ /run/user/1000/@ /dev/@)
SERVICES=(sshd dbus-daemon systemd-udevd systemd-journald cron rsyslogd systemd-logind nginx polkitd agetty systemd-resolved dhclient)
THREADS=(kworker/0:1 kworker/u4:2 ksoftirqd/0 kthreadd migration/1 rcu_sched kswapd0 khugepaged jbd2/sda1-8 scsi_eh_0 irq/24-pciehp kdevtmpfs)
# Programs of packages that are on every Debian and wait for their standard input.
HOSTS=(cat tac sort wc od tr@a@b uniq nl fold fmt expand unexpand sum cksum md5sum sha1sum sha256sum b2sum base64 base32 tee tail head cut@-c1 paste rev column hexdump sed@p grep@x mawk@1 tsort shuf split pr)
OWNED=(factor tsort ptx pinky csplit expand fold fmt join comm shuf split tac unexpand users vdir mesg namei nl numfmt od paste pathchk pr sum truncate unlink)

compiler() { # CLASS: sets $cc, a command line
	local choices=(gcc gcc gcc clang clang tcc musl static) one level link strip
	case $1 in
	dynamic) choices=(gcc gcc clang tcc) ;;
	gnu) choices=(gcc gcc clang musl static) ;;
	quick) choices=(gcc tcc tcc tcc musl) ;;
	esac
	pick one "${choices[@]}"
	pick level -O0 -O1 -O2 -O2 -O3 -Os
	pick link "-pie -fPIE" "-no-pie -fno-pie" "-pie -fPIE"
	pick strip "" -s
	case $one in
	tcc) cc="tcc" ;;
	musl) cc="x86_64-linux-musl-gcc -static $level $strip" ;;
	static) cc="gcc -static $level $strip" ;;
	*) cc="$one $level $link $strip" ;;
	esac
}

place_of() { # CLASS: sets $place, a path nobody has yet
	local folder name
	while :; do
		name_of
		name=$word
		case $1 in
		system) pick folder "${SYSTEM_PLACES[@]}" ;;
		state) pick folder "${STATE_PLACES[@]}" ;;
		hidden) pick folder "${HIDDEN_PLACES[@]}" ;;
		odd) pick folder "${ODD_PLACES[@]}" ;;
		temporary) pick folder "${TEMPORARY_PLACES[@]}" ;;
		dropped) pick folder "${DROPPED_PLACES[@]}" ;;
		memory) pick folder "${MEMORY_PLACES[@]}" ;;
		service) pick folder "${STATE_PLACES[@]}" && pick name "${SERVICES[@]}" ;;
		thread) pick folder "${STATE_PLACES[@]}" && pick name "[kworker" "kthreadd" "[ksoftirqd" "kswapd0" "rcu_sched" "migration" && [[ $name != \[* ]] || name+=] ;;
		shadow) folder=/opt/@/bin && pick name ls cat grep id ps uname sort ;;
		mount) folder=/mnt/@ ;;
		owned) folder=/usr/bin && pick name "${OWNED[@]}" ;;
		*) pick folder "${SYSTEM_PLACES[@]}" "${STATE_PLACES[@]}" ;;
		esac
		name_of
		place=${folder//@/$word}/$name
		[ -n "${TAKEN[$n $place]:-}" ] || break
	done
	TAKEN[$n $place]=1
}

name_of() { # sets $word
	local a b
	pick a "${FIRSTS[@]}"
	pick b "${ENDS[@]}"
	random 90
	word=$a$b
	[ "$R" -lt 30 ] || word+=$R
}

# ---- scripts, in the shape of each language ----

script_text() { # LANGUAGE MARK: sets $text
	local a b c
	name_of; a=v_${word//[!a-z0-9]/}
	name_of; b=w_${word//[!a-z0-9]/}
	random 100000; c=$R
	random 3
	case $1 in
	shell) text="# $a $c
[ -e /.muss-scratch ] || exit 0
$a=$c
: >$2.\$\$
$b=0
while [ -e /.muss-scratch ] && [ \$$b -lt 600 ]; do
	sleep $((R + 1))
	$b=\$(($b + $((R + 1))))
done
" ;;
	python) text="# $a $c
import os, sys, time
$a = $c
if os.path.exists('/.muss-scratch'):
    open('$2.%d' % os.getpid(), 'w').close()
    $b = 0
    while os.path.exists('/.muss-scratch') and $b < 600:
        time.sleep($((R + 1)))
        $b += $((R + 1))
" ;;
	perl) text="# $a $c
exit 0 unless -e '/.muss-scratch';
my \$$a = $c;
open(my \$$b, '>', \"$2.\$\$\") and close(\$$b);
for (1 .. 600) { last unless -e '/.muss-scratch'; sleep $((R + 1)); }
" ;;
	awk) text="BEGIN {
	$a = $c
	\"echo \$PPID\" | getline pid
	if (system(\"test -e /.muss-scratch\")) exit
	printf \"\" >(\"$2.\" pid)
	close(\"$2.\" pid)
	for (i = 0; i < 600 && !system(\"test -e /.muss-scratch && sleep $((R + 1))\"); i++) $b = i
}
" ;;
	esac
}

# Sets $interpreter, $script.
make_script() { # CLASS ID
	local language=$1 text
	[ "$1" != any ] || pick language shell shell python perl awk
	case $language in
	shell) pick interpreter /bin/sh /bin/bash /bin/dash ;;
	python) interpreter=/usr/bin/python3 ;;
	perl) interpreter=/usr/bin/perl ;;
	awk) interpreter=/usr/bin/mawk ;;
	esac
	script_text "$language" "/run/catalogue/$2"
	script=$WORK/files/$2.script
	case $interpreter in
	*awk) interpreter_option=-f; printf '#!%s -f\n%s' "$interpreter" "$text" >"$script" ;;
	*) printf '#!%s\n%s' "$interpreter" "$text" >"$script" ;;
	esac
}

# ---- the plan: one variation of one technique ----

# Commands that build what a variation needs, one a line, go to descriptor 3.
build_program() { # ID ACT CLASS BUILD LAYOUT
	local cc size pages beat forks pad finish='' extra='' seed_word
	compiler "$3"
	random 0x7ffffffe; seed_word=$((R | 1))
	random 12; pad=$((16 << R))
	random 2000; pad=$((pad + R))
	pick pages 1 1 2 3 4 8 16 32
	pick beat 50 100 200 200 500
	pick forks 0 0 0 1 2
	[ "$2" != morph ] && [ "$2" != hollow ] && [ "$2" != traced ] && [ "$2" != thread ] && [[ $2 != inject_* ]] || forks=0
	[ -z "$names" ] || extra="-DNAME='\"$process_name\"'"
	file=$WORK/files/$1
	case $4 in
	packed)
		random 60000; size=$((R + 8192))
		printf '%s && ' "$WORK/pack $seed_word $size $file.packed"
		pick R .text .data '.upd,\"ax\",@progbits' '.rodata'
		extra+=" -DPACKED='\"$file.packed\"' -DPACKED_SECTION='\"$R\"'"
		;;
	entropy)
		random 200000; size=$((R + 40000))
		printf '%s && ' "$WORK/noise $seed_word $size $file.noise"
		extra+=" -DNOISE='\"$file.noise\"'"
		;;
	section)
		pick R UPX1 .upx0 .packed .aspack .petite .nsp0 .vmp0 .themida .enigma1
		finish=" && objcopy --add-section $R=$CATALOGUE/README.md --set-section-flags $R=noload,readonly $file"
		;;
	bare)
		pick R 1 2 3
		finish=" && $WORK/bare $file $R"
		;;
	append)
		random 200000; size=$((R + 600))
		random 3
		finish=" && $WORK/noise $seed_word $size $file.more $R && cat $file.more >>$file"
		;;
	esac
	printf '%s\n' "$cc -w -I$CATALOGUE -DACT=act_$2 -DMARK='\"/run/catalogue/$1\"' -DSEED=${seed_word}u -DPAD=$pad -DLAYOUT=$5 -DPAGES=$pages -DBEAT=$beat -DFORKS=$forks $extra -o $file $CATALOGUE/resident.c$finish"
}

build_library() { # ID
	local one level
	pick one gcc gcc clang tcc
	pick level -O0 -O1 -O2 -O3 -Os
	[ "$one" != tcc ] || level=''
	random 0x7ffffffe
	library=$WORK/files/$1.so
	printf '%s\n' "$one $level -w -shared -fPIC -DSEED=$((R | 1))u -DPAD=$((R % 5000 + 1)) -o $library $CATALOGUE/library.c"
}

fill() { # TEXT: @PLACE@ and the like, in $filled
	filled=${1//@PLACE@/$place}
	filled=${filled//@NAME@/$entry_name}
	filled=${filled//@HOME@/$home}
	filled=${filled//@USER@/$user}
	filled=${filled//@DIR@/${place%/*}}
	filled=${filled//@LIBRARY@/$library_place}
}

plan_entry() { # entries, a line each, of which one is picked
	local one lines library_given
	mapfile -t lines <<<"$1"
	pick one "${lines[@]}"
	IFS=$'\x1f' read -r entry entry_text entry_mode entry_append entry2 entry2_text library_given <<<"$one"
	name_of; entry_name=$word
	pick user root anna bert carla
	home=/home/$user
	[ "$user" != root ] || home=/root
	[ -z "$library_given" ] || { fill "$library_given"; library_place=$filled; }
	fill "$entry"; entry=$filled
	fill "$entry_text"; entry_text=$filled
	fill "$entry2"; entry2=$filled
	fill "$entry2_text"; entry2_text=$filled
}

plan_one() { # VARIATION, and the technique's fields
	local n=$1 id=$index-$1 file='' script='' library='' library_place='' place='' host='' parent interpreter='' interpreter_option='' variant pad=''
	local entry='' entry_text='' entry_mode='' entry_append='' entry2='' entry2_text='' entry_name home user layout_word process_name='' word
	seed_from "$name" "$n"
	pick parent alone alone alone timeout flock nohup terminal terminal
	random 3; variant=$R
	random 0x800; layout_word=$((R | layout))
	case $names in
	thread) pick process_name "${THREADS[@]}" ;;
	bracket) pick process_name "${THREADS[@]}" && process_name="[$process_name]" ;;
	service) pick process_name "${SERVICES[@]}" ;;
	esac
	process_name=${process_name:0:15}
	[ "$names" != bracket ] || pad=--pidfile=/run/x
	place_of "$place_class"
	host=${HOSTS[$(((index + n) % ${#HOSTS[@]}))]}
	[ -z "$script_class" ] || make_script "$script_class" "$id"
	case $how in
	entry | entry_program)
		random 3
		if [ "$R" = 0 ]; then make_script any "$id"; else build_program "$id" "$act" quick "" "$layout_word" >&3; fi
		;;
	entry_only | entry_gone | script* | setuid_shell) ;;
	preload* | audit_* | entry_library) build_library "$id" >&3 ;;
	copied_interpreter) ;;
	*) build_program "$id" "$act" "$cc_class" "$build_class" "$layout_word" >&3 ;;
	esac
	case $how in
	with_library) build_library "$id" >&3 ;;
	esac
	case $how in
	with_library | preload* | audit_* | entry_library)
		local program=$place
		pick R system state hidden temporary
		place_of "$R"
		library_place=${place%/*}/lib${place##*/}.so
		[ -n "$program" ] && place=$program
		;;
	shared_file) name_of; library_place=/dev/shm/$word.$id ;;
	memfd_script | copied_interpreter) name_of; library_place=/var/lib/$word/$id ;;
	esac
	[ -z "$entries" ] || plan_entry "$entries"
	printf '%s' "$id"
	printf '\x1f%s' "$how" "$file" "$script" "$library" "$library_place" "$place" "${host//@/ }" "$parent" "$interpreter" "$interpreter_option" "$variant" \
		"$pad" "$entry" "$entry_text" "$entry_mode" "$entry_append" "$entry2" "$entry2_text"
	printf '\n'
}

# All variations of all techniques wanted: $WORK/plan.N for each variation, $WORK/commands.
plan() {
	local index=-1 name how act place_class names build_class cc_class script_class layout remembered entries n t skip
	local -A TAKEN=()
	while IFS=$'\x1f' read -r name how act place_class names build_class cc_class script_class layout remembered entries <&4; do
		index=$((index + 1))
		skip=${wanted:+1}
		for t in ${wanted[@]+"${wanted[@]}"}; do [ "$t" != "$name" ] || skip=''; done
		[ -z "$skip" ] || continue
		history=$history$remembered
		entries=${entries//$'\x1e'/$'\n'}
		for ((n = first; n < first + variations; n++)); do
			plan_one "$n" >>"$WORK/plan.$n"
		done
	done 4< <(jq -r '.[] | [.name, .plant, .act // "plain", .place // "any", .names // "", .build // "", .cc // "any", .script // "", .layout // 0, .history // "",
		((.entries // []) | map([.file, .text // "", .mode // "644", (if .append then "1" else "" end), .file2 // "", .text2 // "", .library // ""]
			| map(gsub("\\\\"; "\\\\") | gsub("\n"; "\\n")) | join("\u001f")) | join("\u001e"))]
		| map(tostring) | join("\u001f")' "$CATALOGUE/techniques.json") 3>>"$WORK/commands"
}

# ---- machines ----

# shellcheck source=t/machine.bash
. t/machine.bash

look() { # N OPTION...: mscan in machine N
	local n=$1
	shift
	machine_run "m$n" env MUSS_SHARE="$MUSS_SHARE" ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$BIN/mscan" -q "$@"
}

observe() { # N: what mscan says in machine N of what stands there
	local n=$1 options=() i
	MUSS_CATALOGUE=$PWD/$CATALOGUE machine_run "m$n" env bash -c '. "$1/plant.bash" && plant "$2"' plant "$PWD/$CATALOGUE" "$WORK/plan.$n" \
		>"$WORK/manifest.$n" 2>"$WORK/errors.$n" || return 1
	if [ -n "$history" ]; then   # what changes with time is told by an index alone
		options=(-i /root/scan.idx)
		for i in 1 2 3 4; do
			look "$n" "${options[@]}" -s 1000 >/dev/null 2>>"$WORK/errors.$n" || return 1
			sleep 1.2
		done
	fi
	look "$n" "${options[@]}" >"$WORK/case.$n" 2>>"$WORK/errors.$n" || return 1
	if [ -n "${KNOWN:-}" ]; then
		"$BIN/mwhite" -q -d "$KNOWN" --keep-all <"$WORK/case.$n" >"$WORK/marked.$n" 2>>"$WORK/errors.$n" && mv "$WORK/marked.$n" "$WORK/case.$n" || return 1
	fi
	bsdtar -xOf "$WORK/case.$n" 'code/*/about.json' 2>>"$WORK/errors.$n" |
		jq -c -n --argjson seed "$seed" --argjson variation "$n" --slurpfile techniques "$CATALOGUE/techniques.json" \
			--rawfile manifest "$WORK/manifest.$n" --rawfile plan "$WORK/plan.$n" -f t/catalogue.jq >"$WORK/seen.$n" || return 1
	bsdtar -xOf "$WORK/case.$n" case.json | jq -r --arg n "$n" '.host.scan.unseen[]? | "catalogue: machine \($n): not seen: \(.)"' >>"$WORK/errors.$n"
	[ -n "${KEEP:-}" ] || rm "$WORK/case.$n"
}

finish() {
	machine_stop_all
	[ -n "${KEEP:-}" ] || rm -rf "$WORK"
}

mkdir -p "$WORK/files" || exit 74
trap finish EXIT
trap 'exit 130' INT TERM
plan
if [ -n "$only_plan" ]; then
	cat "$WORK"/plan.*
	exit 0
fi
[ "$(id -u)" -eq 0 ] || { echo "catalogue: needs root" >&2; exit 77; }
for t in pack noise bare; do gcc -O2 -o "$WORK/$t" "$CATALOGUE/$t.c" || exit 69; done
xargs -d '\n' -P "$jobs" -n 1 sh -c '{ eval "$1"; } 2>&1 || echo "failed: $1"' sh <"$WORK/commands" >"$WORK/errors.build"
if grep -B 5 '^failed: ' "$WORK/errors.build" >&2; then
	echo "catalogue: not all specimens could be built" >&2
	exit 69
fi
MACHINE_KEEP=$PWD
machine_network || exit 69
bad=0
for ((n = first; n < first + variations; n += jobs)); do
	running=()
	for ((m = n; m < n + jobs && m < first + variations; m++)); do
		machine_start "m$m" || exit 69
		observe "$m" &
		running+=($!)
	done
	for p in "${running[@]}"; do wait "$p" || bad=1; done
	for ((m = n; m < n + jobs && m < first + variations; m++)); do machine_stop "m$m"; done
done
if [ -z "$output" ]; then cat "$WORK"/seen.*; else sort -s -t, -k2,2 -k3,3 "$WORK"/seen.* >"$output.new" && mv "$output.new" "$output"; fi
cat "$WORK"/errors.[0-9]* >&2
exit $bad
