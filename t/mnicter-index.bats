#!/usr/bin/env bats
# mnicter index: what is made of files, folders and cases, what is told from it, and what is refused; micro -x.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

setup_file() {
	export MADE=$BATS_FILE_TMPDIR/made
	mkdir -p "$MADE/good/deep" "$MADE/bad"
	cat >"$MADE/shared.c" <<-'EOF'
		volatile int sink;
		#define F(n) __attribute__((noipa)) int f##n(int a) { for (int i = 0; i < a; i++) sink += i * (n * 7 + 11) ^ a; return sink - n; }
		F(1) F(2) F(3) F(4) F(5) F(6)
		int shared(int a) { return f1(a) + f2(a) + f3(a) + f4(a) + f5(a) + f6(a); }
	EOF
	cat >"$MADE/evil.c" <<-'EOF'
		volatile int evil_sink;
		#define G(n) __attribute__((noipa)) int g##n(int a) { int r = a; while (r > n) { evil_sink ^= r << (n & 7); r -= n * 13 + 1; } return evil_sink * (n + 3); }
		G(1) G(2) G(3) G(4) G(5) G(6) G(7) G(8)
		#if VARIANT == 2
		__attribute__((noipa)) int more(int a) { while (a-- > 3) evil_sink += a * a * 5 + 2; return evil_sink | 77; }
		#endif
		int evil(int a) { return g1(a) + g2(a) + g3(a) + g4(a) + g5(a) + g6(a) + g7(a) + g8(a); }
	EOF
	echo 'int shared(int); int main(int c, char **v) { (void)v; return shared(c); }' >"$MADE/good.c"
	echo 'int shared(int); int evil(int); int main(int c, char **v) { (void)v; return shared(c) + evil(c + 1); }' >"$MADE/bad.c"
	cc -O2 -o "$MADE/good/deep/one" "$MADE/good.c" "$MADE/shared.c"
	cc -O2 -DVARIANT=1 -o "$MADE/bad/first" "$MADE/bad.c" "$MADE/evil.c" "$MADE/shared.c"
	cc -O2 -DVARIANT=2 -s -o "$MADE/second" "$MADE/shared.c" "$MADE/evil.c" "$MADE/bad.c"
	echo 'no program' >"$MADE/good/text"
	ln -s ../bad/first "$MADE/good/link"
	chmod -R a+rX "$MADE"
	"$BIN/mnicter" index build -q -o "$MADE/good.idx" -g tests "$MADE/good"
	"$BIN/mnicter" index build -q -o "$MADE/bad.idx" -m worm "$MADE/bad/first"
}

setup() {
	mkdir "$TMP/w"
	cd "$TMP/w" || exit
}

@test "a folder is indexed: programs in it, links and text left out" {
	run --separate-stderr mnicter index build -o x.idx -g tests "$MADE/good"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ $stderr == "mnicter: 1 programs added of 2 files, 0 could not be taken apart, "*" s" ]]
	run -0 mnicter index info x.idx
	[[ ${lines[1]} == "goodware 'tests': 1 programs" ]]
	run -0 mnicter index info -j x.idx
	[ "$(jq -r '.names[0] | "\(.kind) \(.name) \(.programs)"' <<<"$output")" = "goodware tests 1" ]
}

@test "a variant of a family is told, with the functions that it shares and that goodware has not" {
	run --separate-stderr mnicter index query -j -x "$MADE/good.idx" -x "$MADE/bad.idx" "$MADE/second"
	[ "$status" -eq 0 ]
	jq -e '.known.malware[0] | .name == "worm" and .functions >= 8 and .similarity > 0.7 and .similarity < 1' <<<"$output"
	jq -e '.known.goodware | .functions >= 6 and .functions + 8 <= .of' <<<"$output"
	run -0 mnicter index query -x "$MADE/good.idx" -x "$MADE/bad.idx" "$MADE/second"
	[[ $output == *"functions are goodware's; 'worm': "*", similarity 0."* ]]
}

@test "goodware shares no function with the family beyond its own" {
	run -0 mnicter index query -j -x "$MADE/good.idx" -x "$MADE/bad.idx" "$MADE/good/deep/one"
	jq -e '(.known.malware | all(.functions == 0)) and .known.goodware.functions == .known.goodware.of' <<<"$output"
}

@test "a case is indexed by its bodies, and added to an index once" {
	mscan -q -f "$MADE/second" | mpack -p >c.case
	cp "$MADE/bad.idx" x.idx
	run --separate-stderr mnicter index add -x x.idx -m bot c.case
	[ "$status" -eq 0 ]
	[[ $stderr == "mnicter: 1 programs added of 1 files,"* ]]
	run --separate-stderr mnicter index add -x x.idx -m bot c.case
	[[ $stderr == "mnicter: 0 programs added of 1 files,"* ]]
	run -0 mnicter index query -j -x x.idx "$MADE/second"
	jq -e '[.known.malware[].name] == ["bot", "worm"] and .known.malware[0].similarity == 1' <<<"$output"
}

@test "micro -x puts shares into static.json, and marks functions" {
	mscan -q -f "$MADE/second" | mpack -p | mnicter micro --static -x "$MADE/good.idx" -x "$MADE/bad.idx" >o.case
	bsdtar -xOf o.case 'code/*/static.json' >s.json
	jq -e '.known.malware[0].name == "worm" and .known.goodware.functions >= 6' s.json
	jq -e '([.functions[] | select(.known == "malware")] | length) == .known.malware[0].functions' s.json
	jq -e '(.similarity.minhash | length) == 128' s.json
	mscan -q -f "$MADE/second" | mpack -p | mnicter micro --static | bsdtar -xOf - 'code/*/static.json' >s.json
	jq -e 'has("known") | not' s.json
}

@test "the same files make the same answers, whatever order the workers ended in" {
	mnicter index build -q -o a.idx /usr/bin/ls /usr/bin/cp /usr/bin/mv "$MADE/good"
	mnicter index build -q -o b.idx "$MADE/good" /usr/bin/mv /usr/bin/cp /usr/bin/ls
	for idx in a b; do mnicter index query -j -x $idx.idx /usr/bin/rm; done >out
	[ "$(sort -u out | wc -l)" -eq 1 ]
}

@test "what is wrong is told" {
	run --separate-stderr mnicter index
	[ "$status" -eq 64 ]
	run --separate-stderr mnicter index frob
	[ "$status" -eq 64 ]
	[[ $stderr == *"'frob' is no verb of index"* ]]
	run --separate-stderr mnicter index build "$MADE/good"
	[ "$status" -eq 64 ]
	run --separate-stderr mnicter index build -o x -m a -g b "$MADE/good"
	[ "$status" -eq 64 ]
	run --separate-stderr mnicter index build -o x.idx nowhere
	[ "$status" -eq 66 ]
	[ ! -e x.idx ]
	run --separate-stderr mnicter index query -x nowhere /bin/ls
	[ "$status" -eq 66 ]
	head -c 5000 "$MADE/good.idx" >cut.idx
	run --separate-stderr mnicter index query -x cut.idx /bin/ls
	[ "$status" -eq 65 ]
	mwhite build -q -o files.idx --dir "$MADE/good"
	run --separate-stderr mnicter index info files.idx
	[ "$status" -eq 65 ]
	[[ $stderr == *"is an index of files, not of functions"* ]]
	mscan -q -f "$MADE/second" | mpack -p | head -c 6000 >cut.case
	run --separate-stderr mnicter index build -o x.idx cut.case
	[ "$status" -eq 65 ]
	[ ! -e x.idx ]
}

@test "a program that breaks the parser is counted, and the rest is indexed" {
	cp "$MADE/good/deep/one" odd
	printf '\xff\xff\xff\xff\xff\xff\xff\xff' | dd of=odd bs=1 seek=32 conv=notrunc status=none
	run --separate-stderr mnicter index build -o x.idx odd "$MADE/second"
	[ "$status" -eq 0 ]
	[[ $stderr == "mnicter: "[12]" programs added of 2 files, 0 could not be taken apart, "* ]]
}
