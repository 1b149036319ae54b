#!/usr/bin/env bats
# README is true: the commands it shows run, in its order, as they stand there. (make's goals are run by .ci/run itself.)

load common

# The indented lines of README that begin with "$ ".
shown() {
	sed -n 's/^    \$ //p' "$ROOT/README"
}

@test "the commands that README shows run" {
	local line count=0
	cd "$TMP"
	while IFS= read -r line; do
		case $line in make* | apt-get* | git*) continue ;; esac
		count=$((count + 1))
		run --separate-stderr bash -o pipefail -c "$line"
		# shellcheck disable=SC2154 # run sets it
		[ "$status" -eq 0 ] || { echo "# $line: exit $status: $stderr"; false; }
	done < <(shown)
	[ "$count" -ge 10 ]
	# What they promise: a signed answer that can be read by hand, with a verdict for every piece of code.
	[ -s answer.case ] && [ -f MANIFEST ]
	[ "$(mls -j answer.case | jq -r 'select(.verdict == null) | .sha256' | wc -l)" -eq 0 ]
}

@test "README names every tool, page and target" {
	local word
	for word in mscan mwhite mpack msend mrecv mnicter mgen mverify mls mkey magent mcenter muss.7 muss-case.5 "make check" "make demo"; do
		grep -qF "$word" "$ROOT/README" || { echo "# README lacks $word"; false; }
	done
	for word in $(grep -oE '\bm[a-z-]+\([1578]\)' "$ROOT/README" "$ROOT/INSTALL" -h | sort -u); do
		word=${word%)}
		[ -f "$ROOT/man/${word/(/.}" ] || { echo "# there is no page $word)"; false; }
	done
}

@test "every page's tool exists, and every option in -h is in its page" {
	local tool option
	for tool in mscan mwhite mpack msend mrecv mnicter mgen mverify mls mkey magent mcenter; do
		# The left column of the options' table.
		for option in $("$tool" -h | sed -nE 's/^  (-.*)/\1/p' | sed 's/  .*//' | grep -oE '(^|[ ,])-[a-zA-Z]\b' | tr -d ' ,-' | sort -u); do
			grep -qE "(Fl|Op Fl)[^\"]* $option\b" "$ROOT/man/$tool.1" || grep -qE "^\.(Op )?Fl [a-zA-Z]*$option" "$ROOT/man/$tool.1" ||
				{ echo "# $tool.1 lacks -$option"; false; }
		done
	done
}
