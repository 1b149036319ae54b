#!/usr/bin/env bash
# The scan index, cold and warm: this machine; a tree of 100,000 files of which one in twenty is code; the machine with 200 and
# with 2,000 processes more. Processor time and peak memory of each, microseconds a cached file, and beside the tree what
# sha256sum takes for the same files. Exit 1 when a warm scan takes a second of processor or 5 microseconds a file (of the tree),
# or more than 32 MiB.
# usage: bench-cache.sh [BUILD [FILES [PROCESSES ...]]]
set -euo pipefail
build=$(realpath "${1:-$(dirname "$0")/../build}")
files=${2:-100000}
processes=("${@:3}")
[ ${#processes[@]} -gt 0 ] || processes=(200 2000)
export MUSS_SHARE=${MUSS_SHARE:-$(realpath "$(dirname "$0")/../rules")}
work=
for place in "${TMPDIR:-/tmp}" "$build" /var/tmp; do
	case $(stat -f -c %T "$place") in tmpfs | ramfs | nfs* | fuse*) continue ;; esac
	work=$(mktemp -d "$place/muss-bench.XXXXXX") && break
done
[ -n "$work" ] || { echo "bench-cache: no file system here tells when its files change" >&2; exit 1; }
many=
trap '[ -z "$many" ] || kill "$many" 2>/dev/null; rm -rf "$work"' EXIT
bad=0

# measured COMMAND...: "seconds of processor, seconds, KiB at most" of a command
measured() {
	perl -e '
		use Time::HiRes "time";
		my ($begin, $status, $usage) = (time, "\0" x 4, "\0" x 144);
		my $pid = fork // die;
		if (!$pid) { open STDOUT, ">", "/dev/null"; exec @ARGV; exit 127 }
		syscall(61, $pid, $status, 0, $usage);   # wait4
		my ($us, $uu, $ss, $su, $kib) = unpack "q5", $usage;
		die "bench-cache: $ARGV[0] failed\n" if unpack "i", $status;
		printf "%.3f %.3f %d\n", $us + $ss + ($uu + $su) / 1e6, time - $begin, $kib' "$@"
}

# scans NAME FILES|- ARGS...: cold, then the best of three warm
scans() {
	local name=$1 count=$2 cpu wall peak best=999 best_wall=0 cold cold_wall cold_peak
	shift 2
	rm -f "$work/idx" "$work/idx.key"
	read -r cold cold_wall cold_peak < <(measured "$build/bin/mscan" -q -i "$work/idx" -o "$work/case" "$@")
	for _ in 1 2 3; do
		read -r cpu wall peak < <(measured "$build/bin/mscan" -q -i "$work/idx" -o "$work/case" "$@")
		if awk -v a="$cpu" -v b="$best" 'BEGIN { exit !(a < b) }'; then best=$cpu best_wall=$wall; fi
	done
	[ "$count" != - ] || count=$(bsdtar -xOf "$work/case" case.json | jq .host.scan.files)
	awk -v n="$name" -v f="$count" -v c="$cold" -v w="$best" -v cw="$cold_wall" -v ww="$best_wall" -v p="$peak" -v cp="$cold_peak" \
		-v idx="$(stat -c %s "$work/idx")" -v tree="$( [ "${1:-}" = -f ] && echo 1 || echo 0)" 'BEGIN {
		printf "%s: %d files: cold %.2f s of processor (%.2f s, %.1f MiB), warm %.2f s (%.2f s, %.1f MiB), ratio %.0f, %.1f us a file, index %.1f MiB\n",
			n, f, c, cw, cp / 1024, w, ww, p / 1024, c / (w + 0.001), w / f * 1e6, idx / 1048576
		exit !(w < 1 && p < 32768 && (!tree || w / f * 1e6 <= 5))
	}' || { echo "bench-cache: $name: above what is allowed" >&2; bad=1; }
}

mkdir "$work/tree"
perl -e '
	my ($top, $count) = @ARGV;
	srand 1;
	my $body = pack "C*", map { int rand 256 } 1 .. 65536;
	for my $i (0 .. $count - 1) {
		my $folder = sprintf "%s/%03d", $top, $i / 500;
		mkdir $folder unless $i % 500;
		open my $f, ">", sprintf "%s/file-%06d", $folder, $i or die;
		print $f $i % 20 ? "words $i\n" . substr $body, 0, 2000 + $i % 3000 : "#!/bin/sh\n: $i\n" . substr $body, 0, 16000 + $i % 9000;
		chmod 0755, $f unless $i % 20;
	}' "$work/tree" "$files"
sleep 2.5   # what is younger is not kept
read -r sum _ _ < <(measured sh -c 'find "$1" -type f -perm /111 -exec sha256sum {} + >/dev/null' sh "$work/tree")
scans "tree" "$files" -f "$work/tree"
printf 'tree: sha256sum of its code alone %.2f s of processor\n' "$sum"

scans "machine" -
for n in "${processes[@]}"; do
	perl -e '
		my @all;
		$SIG{TERM} = sub { kill 9, @all; exit };
		for (1 .. $ARGV[0]) {
			my $pid = fork // last;
			exec "sleep", "600" unless $pid;
			push @all, $pid;
		}
		sleep 1 while 1' "$n" &
	many=$!
	for _ in $(seq 600); do
		[ "$(pgrep -c -P "$many" sleep || :)" -ge "$n" ] && break
		sleep 0.1
	done
	scans "machine and $n processes" -
	kill "$many"
	wait "$many" 2>/dev/null || :
	many=
done
awk -v n="$(nproc)" '$1 > n / 2 { printf "note: the machine is busy (load %s on %d cores); the figures are worth little\n", $1, n }' /proc/loadavg
exit $bad
