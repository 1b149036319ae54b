# plant: what the catalogue's runner does inside a user machine (t/machine.bash): carries out a plan, line by line, and says
# what belongs to which specimen. It acts only where /.muss-scratch is. Sourced by "bash -c", never on a machine of anybody.
# usage: plant PLAN    a specimen a line, fields as in t/catalogue.sh's plan()
# says: ID path PATH (a file of its own), ID pid PID, ID entry FILE (a start-up file that it wrote to), ID failed WHY
# shellcheck shell=bash disable=SC2154,SC2086 # a specimen's fields are read by plant()

MARKS=/run/catalogue

say() { # KIND VALUE
	printf '%s\t%s\t%s\n' "$id" "$1" "$2"
}

# install FILE PATH MODE: puts it there and says so
put() {
	[ -d "${2%/*}" ] || mkdir -p "${2%/*}"
	cat -- "$1" >"$2" && chmod "$3" "$2"
	say path "$2"
}

# A command line as somebody at a terminal has it run, who stays.
at_terminal() {
	SHELL=/bin/bash setsid script -q -c "$1" /dev/null <>"$MARKS/fifo" >/dev/null 2>&1
}

# Starts a command as the variation says: alone, below an honest parent, or from a terminal.
start() {
	case $parent in
	terminal) at_terminal "exec $(printf '%q ' "$@")" & ;;
	timeout) setsid timeout 900 "$@" </dev/null >/dev/null 2>&1 & ;;
	flock) setsid flock -o "$MARKS/lock.$id" "$@" </dev/null >/dev/null 2>&1 & ;;
	nohup) setsid nohup "$@" </dev/null >/dev/null 2>&1 & ;;
	*) setsid "$@" </dev/null >/dev/null 2>&1 & ;;
	esac
}

# A process of a program that a package owns, which waits for what nobody sends. Sets $honest.
honest_process() {
	exec 8<>"$MARKS/fifo"
	if [ "$parent" = terminal ]; then
		at_terminal "echo \$\$ >$MARKS/honest.$id; exec $host <$MARKS/fifo" &
		for _ in {1..300}; do [ -s "$MARKS/honest.$id" ] && break; sleep 0.01; done
		honest=$(<"$MARKS/honest.$id")
	else
		setsid $host <&8 >/dev/null 2>&1 &
		honest=$!
	fi
	exec 8>&-
	for _ in {1..100}; do
		[ "$(readlink "/proc/$honest/exe")" = "$(readlink -f "$(type -P "${host%% *}")")" ] && break
		sleep 0.01
	done
	: >"$MARKS/$id.$honest"
}

marked() {
	local n
	for n in {1..1500}; do   # half a minute: the machine may be busy with others
		compgen -G "$MARKS/$id.*" >/dev/null && return 0
		sleep 0.02
	done
	return 1
}

plant_program() {
	put "$file" "$place" 755
	start "$place" $pad
}

plant_with_library() {
	put "$library" "$library_place" 644
	put "$file" "$place" 755
	start "$place" "$library_place"
}

plant_shared_file() {
	put "$file" "$place" 755
	say path "$library_place"
	start "$place" "$library_place"
}

plant_memfd_script() {
	put "$script" "$library_place" 644
	put "$file" "$place" 755
	start "$place" "$interpreter" ${interpreter_option:+"$interpreter_option"} "$library_place"
}

plant_altered() {
	put "$file" "$place" 755
	start "$place"
}

plant_by_loader() {
	put "$file" "$place" 644
	start /lib64/ld-linux-x86-64.so.2 "$place"
}

# The same program under another name, which runs a script.
plant_copied_interpreter() {
	put "$interpreter" "$place" 755
	put "$script" "$library_place" 644
	start "$place" ${interpreter_option:+"$interpreter_option"} "$library_place"
}

# Its file system is mounted nowhere any more.
plant_detached() {
	mkdir -p "${place%/*}"
	mount -t tmpfs -o size=32m none "${place%/*}"
	put "$file" "$place" 755
	start "$place"
	marked
	umount -l "${place%/*}"
}

plant_setuid() {
	put "$file" "$place" "$([ "$variant" = 0 ] && echo 6755 || echo 4711)"
	if [ "$variant" = 2 ]; then start setpriv --reuid=nobody --clear-groups "$place"; else start "$place"; fi
}

# Nobody runs it.
plant_setuid_shell() {
	put "/usr/bin/$(set -- dash bash env find perl; shift "$((variant + ${#place} % 3))"; echo "$1")" "$place" 4755
}

# CAP_NET_RAW and more, as the kernel keeps them: version 2, effective, permitted, inheritable, in two words each.
plant_capabilities() {
	local caps=(00200000 80000000 00002000)
	put "$file" "$place" 755
	setfattr -n security.capability -v "0x01000002${caps[variant]}000000000000000000000000" "$place" ||
		say failed "no capabilities"
	start "$place"
}

plant_hidden() {
	local pid
	put "$file" "$place" 755
	start "$place"
	marked || return 0
	for pid in "$MARKS/$id".*; do
		pid=${pid##*.}
		case $variant in
		0) mount -t tmpfs -o size=4k none "/proc/$pid" ;;
		1) mount --bind /run "/proc/$pid" ;;
		*) mount --bind /proc/1 "/proc/$pid" ;;
		esac
	done
}

# A process of an honest program is what carries the code.
plant_injected() {
	honest_process
	put "$file" "$place" 755
	start "$place" "$honest"
	for _ in {1..300}; do
		[ "$(ls "$MARKS/$id".* | wc -l)" -gt 1 ] && break
		[ -n "$(find "/proc/$honest" -maxdepth 0 2>/dev/null)" ] || break
		pgrep -f -x -- "$place $honest" >/dev/null || break
		sleep 0.02
	done
}

# Comes last: from here on every program that starts is given the library.
plant_preload_file() {
	put "$library" "$library_place" 755
	printf '%s\n' "$library_place" >>/etc/ld.so.preload
	say entry /etc/ld.so.preload
}

# What it was forced into keeps the library when the file is as it was.
plant_preloaded_then_hidden() {
	put "$library" "$library_place" 755
	[ ! -e /etc/ld.so.preload ] || cp /etc/ld.so.preload "$MARKS/preload"
	printf '%s\n' "$library_place" >>/etc/ld.so.preload
	honest_process
	if [ -e "$MARKS/preload" ]; then cat "$MARKS/preload" >/etc/ld.so.preload; else rm /etc/ld.so.preload; fi
}

plant_preload_environment() {
	put "$library" "$library_place" 755
	LD_PRELOAD=$library_place honest_process
}

plant_audit_environment() {
	put "$library" "$library_place" 755
	LD_AUDIT=$library_place honest_process
}

plant_script() {
	put "$script" "$place" 755
	if [ "$variant" = 0 ]; then start "$place"; else start "$interpreter" ${interpreter_option:+"$interpreter_option"} "$place"; fi
}

plant_script_stdin() {
	local command=("$interpreter")
	put "$script" "$place" 644
	[ -z "$interpreter_option" ] || command+=("$interpreter_option" /dev/stdin)
	if [ "$parent" = terminal ]; then
		at_terminal "exec $(printf '%q ' "${command[@]}") <$(printf %q "$place")" &
	else
		setsid "${command[@]}" <"$place" >/dev/null 2>&1 &
	fi
}

# A shell begins before it has it all, and whoever feeds it may stay.
feed() {
	cat "$script"
	case $interpreter in
	*/python3 | */perl | *awk) ;;
	*) printf ': more\n: and more\n'; [ "$variant" = 0 ] || exec sleep 600 ;;
	esac
}

plant_script_pipe() {
	local command=("$interpreter" -)
	case $interpreter in
	*awk) command=("$interpreter" -f /dev/stdin) ;;
	*/python3 | */perl) ;;
	*) command=("$interpreter" -s) ;;
	esac
	if [ "$parent" = terminal ]; then
		export script interpreter variant
		export -f feed
		at_terminal "feed | $(printf '%q ' "${command[@]}")" &
		export -n script interpreter variant
		export -nf feed
	else
		feed | setsid "${command[@]}" >/dev/null 2>&1 &
	fi
}

plant_script_inline() {
	local text
	text=$(<"$script")
	case $interpreter in
	*perl) start "$interpreter" -e "$text" ;;
	*awk) start "$interpreter" "$text" ;;
	*) start "$interpreter" -c "$text" ;;
	esac
}

plant_script_deleted() {
	plant_script
	marked
	rm -f "$place"
}

# Start-up files: @PLACE@ and the like were put in by the generator.
write_entry() { # FILE TEXT MODE APPEND
	[ -n "$1" ] || return 0
	[ -d "${1%/*}" ] || mkdir -p "${1%/*}"
	if [ -n "$4" ] && [ -e "$1" ]; then
		[ -z "$(tail -c 1 "$1")" ] || echo >>"$1"
		printf '%b' "$2" >>"$1"
	else
		case $1 in */rc.local) printf '#!/bin/sh\n' >"$1" ;; *) : >"$1" ;; esac
		printf '%b' "$2" >>"$1"
		chmod "$3" "$1"
	fi
	say "$([ -n "$4" ] && echo entry || echo path)" "$1"
}

plant_entry_only() {
	write_entry "$entry" "$entry_text" "$entry_mode" "$entry_append"
	write_entry "$entry2" "$entry2_text" 644 ""
}

plant_entry() {
	put "${script:-$file}" "$place" 755
	plant_entry_only
	[ "$variant" = 0 ] || start "$place"
}

plant_entry_library() {
	put "$library" "$library_place" 755
	plant_entry_only
}

plant_entry_gone() {
	plant_entry_only
}

plant_entry_program() {
	put "${script:-$file}" "$entry" 755
	[ "$variant" = 0 ] || start "$entry"
}

# A few people live here, so that user's files are more than root's.
people() {
	local n
	for n in anna bert carla; do
		grep -q "^$n:" /etc/passwd || echo "$n:x:$((2000 + ${#n})):2000::/home/$n:/bin/bash" >>/etc/passwd
		mkdir -p "/home/$n"
	done
}

plant() { # PLAN
	local last id how file script library library_place place host parent interpreter interpreter_option variant pad
	local entry entry_text entry_mode entry_append entry2 entry2_text honest pids=()
	[ -e /.muss-scratch ] || { echo "plant: this is no scratch root" >&2; return 1; }
	mkdir -p "$MARKS" && chmod 1777 "$MARKS"
	mkfifo "$MARKS/fifo"
	people
	for last in '' 1; do
		while IFS=$'\x1f' read -r id how file script library library_place place host parent interpreter interpreter_option variant pad \
			entry entry_text entry_mode entry_append entry2 entry2_text <&9; do
			case $how in preloaded_then_hidden | preload_file) [ -n "$last" ] || continue ;; *) [ -z "$last" ] || continue ;; esac
			"plant_$how" 9<&-
		done 9<"$1"
	done
	while IFS=$'\x1f' read -r id how _ _ _ _ _ _ _ _ _ variant _ <&9; do
		case $how in preload_file | entry_only | entry_gone | entry_library | setuid_shell) continue ;; entry | entry_program) [ "$variant" != 0 ] || continue ;; esac
		marked || say failed "it does not run"
		pids=("$MARKS/$id".*)
		printf '%s\n' "${pids[@]}" | sed -n 's/.*\.\([0-9][0-9]*\)$/\1/p' | while read -r pid; do say pid "$pid"; done
	done 9<"$1"
}
