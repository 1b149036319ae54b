#!/usr/bin/env bats
# The digest of likeness: the same as libtlsh's wherever that one makes any, and a distance that tells like from unlike.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

CAPABLE=$MUSS_BUILD/t/capable

@test "digests and distances are libtlsh's, over files of every size" {
	command -v c++ >/dev/null && echo '#include <tlsh.h>' | c++ -x c++ -fsyntax-only - 2>/dev/null || skip "no C++ compiler or no libtlsh-dev"
	cat >"$TMP/peer.cc" <<-'END'
		#include <tlsh.h>
		#include <cstdio>
		#include <cstring>
		#include <fstream>
		#include <iterator>
		#include <string>
		int main(int argc, char **argv)
		{
			if (argc == 4 && !strcmp(argv[1], "distance")) {
				Tlsh a, b;
				a.fromTlshStr(argv[2] + 2);
				b.fromTlshStr(argv[3] + 2);
				printf("%d\n", a.totalDiff(&b));
				return 0;
			}
			for (int i = 1; i < argc; i++) {
				std::ifstream f(argv[i], std::ios::binary);
				std::string s((std::istreambuf_iterator<char>(f)), std::istreambuf_iterator<char>());
				Tlsh t;
				t.final((const unsigned char *)s.data(), (unsigned)s.size());
				const char *h = t.getHash();
				if (h && *h)
					printf("T1%s %s\n", h, argv[i]);
			}
		}
	END
	c++ -O1 -o "$TMP/peer" "$TMP/peer.cc" -ltlsh
	cd "$TMP" || return 1
	i=0
	for size in 512 600 656 657 700 1000 2500 3199 3200 5000 20000 100000 700000; do
		for f in /usr/bin/env /usr/bin/perl /usr/share/common-licenses/GPL-3 "$BIN/mnicter"; do
			i=$((i + 1))
			head -c $size "$f" | cat - <(printf '%s' "$size $f") >"f$i"
		done
	done
	find /usr/bin -maxdepth 1 -type f -size -2M | sort | awk 'NR % 8 == 1' >others
	mapfile -t files < <(ls f[0-9]* && cat others)
	./peer "${files[@]}" >theirs
	[ "$(wc -l <theirs)" -gt 100 ]
	"$CAPABLE" tlsh "${files[@]}" >ours
	# They refuse what has fewer than 512 bytes; and what has no variety, as we do.
	grep -Fxc -f ours theirs >same
	[ "$(cat same)" -eq "$(wc -l <theirs)" ]
	mapfile -t digests < <(cut -d' ' -f1 theirs)
	for k in $(seq 0 7 $((${#digests[@]} - 2))); do
		a=${digests[$k]} b=${digests[$((k + 1))]}
		[ "$("$CAPABLE" tlsh= "$a" "$b")" = "$(./peer distance "$a" "$b")" ] || { echo "# $a $b"; false; }
	done
}

@test "what differs little is near, what differs is far; no digest of too little" {
	cd "$TMP" || return 1
	cp /usr/bin/perl a
	{ head -c 100000 a; echo changed here; tail -c +100014 a; } >b
	head -c 40 a >short
	head -c 4000 /dev/zero >plain
	"$CAPABLE" tlsh a b /usr/share/common-licenses/GPL-3 short plain >out
	mapfile -t d < <(cut -d' ' -f1 out)
	[ "$("$CAPABLE" tlsh= "${d[0]}" "${d[0]}")" -eq 0 ]
	[ "$("$CAPABLE" tlsh= "${d[0]}" "${d[1]}")" -lt 20 ]
	[ "$("$CAPABLE" tlsh= "${d[0]}" "${d[2]}")" -gt 150 ]
	[ "${d[3]}" = - ] && [ "${d[4]}" = - ]
	[ "$("$CAPABLE" tlsh= "${d[0]}" T1zz)" -eq -1 ]
}
