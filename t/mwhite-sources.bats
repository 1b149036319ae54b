#!/usr/bin/env bats
# mwhite's sources: what other people's lists of known files look like, good and bad.
# shellcheck disable=SC2154 # run, in common.bash, sets stderr

load common

setup() {
	export TMPDIR=$TMP
	cd "$TMP" || return 1
	A=a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447
	B=b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c
	C=cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
}

# knows DIGEST SOURCE NAME: the index k.idx says so.
knows() {
	run --separate-stderr mwhite query -j -d k.idx "$1"
	[ "$status" -eq 0 ]
	[ "$(jq -r '[.source,.name]|@csv' <<<"$output")" = "\"$2\",\"$3\"" ]
}

unknown() {
	run mwhite query -d k.idx "$1"
	[ "$status" -eq 1 ]
}

# rds NAME: an RDSv3 set in its minimal form, with one package of each of two kinds.
rds() {
	sqlite3 "$1" "CREATE TABLE FILE (sha256 VARCHAR NOT NULL, sha1 VARCHAR NOT NULL, md5 VARCHAR NOT NULL, file_name VARCHAR NOT NULL,
			file_size INTEGER NOT NULL, package_id INTEGER NOT NULL);
		CREATE TABLE PKG (package_id INTEGER NOT NULL, name VARCHAR NOT NULL, version VARCHAR NOT NULL, operating_system_id INTEGER NOT NULL,
			manufacturer_id INTEGER NOT NULL, language VARCHAR NOT NULL, application_type VARCHAR NOT NULL);
		INSERT INTO PKG VALUES (7, 'Editor', '1', 1, 1, 'English', 'Word Processing'), (9, 'Pwn', '2', 1, 1, 'English', 'Hacker Tool'),
			(10, 'Guard', '1', 1, 1, 'English', 'Anti-Malware');
		INSERT INTO FILE VALUES (upper('$A'), 's', 'm', 'edit.exe', 12, 7), ('$B', 's', 'm', 'pwn.exe', 12, 9), ('$C', 's', 'm', 'guard', 12, 10),
			('', 's', 'm', 'nothing', 0, 7);"
}

@test "NSRL's database: what has a SHA-256 is taken, what was made for attacks is not" {
	rds 'RDS 2025?#%.db'
	run --separate-stderr mwhite build -j -o k.idx --nsrl 'RDS 2025?#%.db'
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.files,.matched,.left_out,.without_sha256,.digests]' <<<"$output")" = "[4,2,1,1,2]" ]
	knows $A 'nsrl RDS 2025?#%.db' edit.exe
	knows $C 'nsrl RDS 2025?#%.db' guard
	unknown $B
	[ "$(mwhite info -j -d k.idx | jq -c .from)" = '["nsrl"]' ]
	[ "$(find . -name 'RDS*' | wc -l)" -eq 1 ]
}

@test "NSRL's full form: METADATA, with a view FILE over it; a table with nothing but digests" {
	sqlite3 full.db "CREATE TABLE METADATA (object_id INTEGER, sha256 VARCHAR, file_name VARCHAR);
		INSERT INTO METADATA VALUES (1, '$A', 'x.dll'); CREATE VIEW FILE AS SELECT sha256, file_name FROM METADATA;
		CREATE VIEW DISTINCT_HASH AS SELECT DISTINCT sha256 FROM METADATA;"
	mwhite -q build -o k.idx --nsrl full.db
	knows $A 'nsrl full.db' x.dll
	sqlite3 bare.db "CREATE TABLE file (sha256 TEXT); INSERT INTO file VALUES ('$B');"
	mwhite -q build -o k.idx --nsrl bare.db
	mwhite query -d k.idx $B
}

@test "a hostile or damaged database is 65 and harmless" {
	rds good.db
	head -c 5000 good.db >cut.db
	fails 65 mwhite build -o k.idx --nsrl cut.db
	rds bad.db
	sqlite3 bad.db "UPDATE FILE SET sha256 = 'x' || char(27) || '[31m' WHERE file_name = 'guard'"
	fails 65 mwhite build -o k.idx --nsrl bad.db
	[ "$stderr" = "mwhite: 'bad.db', row 3 of FILE: 'x\\x1b[31m' is no SHA-256" ]
	sqlite3 sha1.db "CREATE TABLE FILE (sha1 TEXT, file_name TEXT); INSERT INTO FILE VALUES ('s', 'n')"
	fails 65 mwhite build -o k.idx --nsrl sha1.db
	[[ $stderr == *"no column sha256"* ]]
	sqlite3 other.db "CREATE TABLE t (x)"
	fails 65 mwhite build -o k.idx --nsrl other.db
	[[ $stderr == *"neither a table FILE nor METADATA" ]]
	# a view or a virtual table in the place of the table, a trigger, a column that computes
	sqlite3 view.db "CREATE VIEW FILE AS WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM c) SELECT '$A' AS sha256 FROM c"
	fails 65 mwhite build -o k.idx --nsrl view.db
	sqlite3 virtual.db "CREATE VIRTUAL TABLE FILE USING fts4(sha256)"
	fails 65 mwhite build -o k.idx --nsrl virtual.db
	sqlite3 large.db "CREATE TABLE FILE (n, sha256 AS (hex(zeroblob(n)))); INSERT INTO FILE (n) VALUES (600000)"
	fails 65 mwhite build -o k.idx --nsrl large.db
	for n in 20 100 500 4200 9000; do
		cp good.db flip.db
		head -c 40 /dev/urandom | dd of=flip.db bs=1 seek=$n conv=notrunc status=none
		run --separate-stderr mwhite build -o flip.idx --nsrl flip.db
		[ "$status" -eq 0 ] || [ "$status" -eq 65 ]
	done
	run -65 timeout 10 mwhite build -o k.idx --nsrl <(head -c 100 good.db)
	fails 66 mwhite build -o k.idx --nsrl absent.db
	[ ! -e k.idx ]
}

@test "NSRL's text: columns are found by name, malicious entries left out, lists without SHA-256 refused" {
	{
		printf '"SHA-256","SHA-1","MD5","CRC32","FileName","FileSize","ProductCode","OpSystemCode","SpecialCode"\r\n'
		printf '"%s","0","0","0","a ""b"", c.dll",1,2,"WIN",""\r\n' "$A"
		printf '"%s","0","0","0","5" disk.exe",1,2,"WIN","M"\r\n' "$B"
		printf '"%s","0","0","0","5" disk.exe",1,2,"WIN","S"\r\n' "$C"
	} >NSRLFile.txt
	run --separate-stderr mwhite build -j -o k.idx --nsrl NSRLFile.txt
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.files,.matched,.left_out]' <<<"$output")" = "[3,2,1]" ]
	knows $C 'nsrl NSRLFile.txt' '5"" disk.exe'
	mwhite query -d k.idx $A | grep -F "'a \"b\", c.dll'"
	unknown $B
	printf '"SHA-1","MD5","CRC32","FileName"\n"x","y","z","n"\n' >old.txt
	fails 65 mwhite build -o x.idx --nsrl old.txt
	[[ $stderr == "mwhite: 'old.txt', line 1: it has no SHA-256, only weaker sums"* ]]
	printf 'a,b\n' >none.txt
	fails 65 mwhite build -o x.idx --nsrl none.txt
	[[ $stderr == *"line 1: it does not name a column SHA-256" ]]
	printf '"SHA-256","FileName"\n"%s","a"\n"%s0","b"\n' "$A" "$B" >long.txt
	fails 65 mwhite build -o x.idx --nsrl long.txt
	[[ $stderr == *"line 3: no SHA-256 in its column" ]]
	printf '"SHA-256","FileName"\n"%s","a\n' "$A" >open.txt
	fails 65 mwhite build -o x.idx --nsrl open.txt
	[[ $stderr == *"line 2: no line of comma-separated values" ]]
	: >empty.txt
	fails 65 mwhite build -o x.idx --nsrl empty.txt
	printf 'PK\003\004zzzzzzzzzzzzzzzzzz' >set.zip
	fails 65 mwhite build -o x.idx --nsrl set.zip
	[[ $stderr == *"unpack it first" ]]
	{ printf 'SHA-256\n'; head -c 70000 /dev/zero | tr '\0' x; } >endless.txt
	fails 65 mwhite build -o x.idx --nsrl endless.txt
	[[ $stderr == *"line 2: too long" ]]
	[ ! -e x.idx ]
}

@test "hashlookup: JSON lines, arrays and CSV; what it distrusts or calls malicious stays out; Bloom filters are refused" {
	{
		printf '{"FileName":"./usr/bin/a","SHA-256":"%s","SHA-1":"00","hashlookup:trust":75}\n\n' "${A^^}"
		printf '{"FileName":"b","SHA-256":"%s","KnownMalicious":"bazaar"}\n' "$B"
		printf '{"FileName":"c","MD5":"00"}\n'
		printf ' [{"FileName":"d","SHA-256":"%s","hashlookup:trust":"20"},{"SHA-256":"%064d"}]\n' "$C" 7
	} >export.json
	run --separate-stderr mwhite build -j -o k.idx --hashlookup export.json
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.files,.matched,.left_out,.without_sha256]' <<<"$output")" = "[5,2,2,1]" ]
	knows $A 'hashlookup export.json' ./usr/bin/a
	unknown $B
	unknown $C
	mwhite query -d k.idx "$(printf %064d 7)"
	printf 'FileName,SHA-256,hashlookup:trust\nx,%s,50\ny,%s,49\n' "$A" "$B" >export.csv
	mwhite -q build -o k.idx --hashlookup export.csv
	knows $A 'hashlookup export.csv' x
	unknown $B
	mwhite -q build -o k.idx --hashlookup - <export.csv
	knows $A 'hashlookup standard input' x
	printf '{"MD5":"00"}\n{"SHA-1":"00"}\n' >weak.json
	fails 65 mwhite build -o x.idx --hashlookup weak.json
	[ "$stderr" = "mwhite: 'weak.json' has no SHA-256: weaker sums can confirm nothing" ]
	{ printf '{"SHA-256":"%s"}\n' "$A"; printf '{"SHA-256":'; } >cut.json
	fails 65 mwhite build -o x.idx --hashlookup cut.json
	[[ $stderr == "mwhite: 'cut.json', line 2: "* ]]
	printf '{"SHA-256":"%s0"}\n' "$A" >long.json
	fails 65 mwhite build -o x.idx --hashlookup long.json
	[[ $stderr == *"line 1: its SHA-256 is none" ]]
	printf '[7]\n' >seven.json
	fails 65 mwhite build -o x.idx --hashlookup seven.json
	printf '\001\0\0\0\0\0\0\0binary' >full.bloom
	fails 65 mwhite build -o x.idx --hashlookup full.bloom
	[[ $stderr == *"a Bloom filter only says 'perhaps'"* ]]
	[ ! -e x.idx ]
}

@test "rpm's listing: SHA-256 is taken as it stands, an MD5 only where the file matches it" {
	mkdir -p root/usr/bin
	printf '#!/bin/sh\necho old\n' >root/usr/bin/old
	printf '#!/bin/sh\necho other\n' >root/usr/bin/altered
	chmod 755 root/usr/bin/*
	md5=$(md5sum <root/usr/bin/old | cut -c1-32)
	{
		echo "/usr/bin/a file 17 1700000000 $A 0100755 root root 0 0 0 X"
		echo "/etc 6 1700000000 $(printf %064d 0) 040755 root root 0 0 0 X"
		echo "/usr/bin/l 6 1700000000 $(printf %064d 0) 0120777 root root 0 0 0 a file"
		echo "/var/log/ghost 0 1700000000  0100644 root root 0 0 0 X"
		echo "(contains no files)"
		echo "/usr/bin/old 19 1200000000 $md5 0100755 root root 0 0 0 X"
		echo "/usr/bin/altered 19 1200000000 $md5 0100755 root root 1 0 0 X"
		echo "/usr/bin/gone 19 1200000000 $md5 0100755 root root 0 1 0 X"
		echo "/usr/bin/sha1 19 1200000000 $(printf %040d 1) 0100755 root root 0 0 0 X"
	} >rpms
	run --separate-stderr mwhite build -j -o k.idx --rpm rpms --root root
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.files,.matched,.altered,.missing,.without_sha256,.digests]' <<<"$output")" = "[5,2,1,1,1,2]" ]
	knows $A 'rpm rpms' '/usr/bin/a file'
	knows "$(sha256sum <root/usr/bin/old | cut -c1-64)" 'rpm rpms' /usr/bin/old
	unknown "$(sha256sum <root/usr/bin/altered | cut -c1-64)"
	for line in "/x 1 1 $A 0100755 root root 0 0 0" "relative 1 1 $A 0100755 root root 0 0 0 X" "/x 1 1 ${A}g 0100755 root root 0 0 0 X" \
		"/x 1 1 $A 0100755 root root 2 0 0 X" "/x $A"; do
		{ echo "/a 17 1700000000 $A 0100755 root root 0 0 0 X"; echo "$line"; } >bad
		fails 65 mwhite build -o x.idx --rpm bad
		[ "$stderr" = "mwhite: 'bad', line 2: not as 'rpm -qa --dump' prints it" ]
	done
	[ ! -e x.idx ]
}

@test "a case of a clean machine vouches for its code, but not where memory was changed" {
	printf 'one' >one; printf 'two' >two; printf 'three' >three
	mscan -f one two three -o clean.case
	run --separate-stderr mwhite build -j -o k.idx --case clean.case
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.files,.matched,.left_out]' <<<"$output")" = "[3,3,0]" ]
	mwhite query -d k.idx one two three
	mwhite query -d k.idx one | grep -F "'case clean.case'  '$PWD/one'"
	# the same, with changed memory, a telling sign, and code in memory only
	mkdir c
	tar -xf clean.case -C c && chmod -R u+rw c
	jq -c '.sightings=[{"how":"exe","pages_modified":1}]' c/code/"$(sha256sum <one | cut -c1-64)"/about.json >t && cat t >c/code/"$(sha256sum <one | cut -c1-64)"/about.json
	jq -c '.signs=[{"name":"hidden-process"}]' c/code/"$(sha256sum <two | cut -c1-64)"/about.json >t && cat t >c/code/"$(sha256sum <two | cut -c1-64)"/about.json
	jq -c '.kind="memory"' c/code/"$(sha256sum <three | cut -c1-64)"/about.json >t && cat t >c/code/"$(sha256sum <three | cut -c1-64)"/about.json
	(
		cd c
		{ echo case.json; find code -type f | LC_ALL=C sort; } >../order
		xargs sha256sum <../order >MANIFEST
		echo MANIFEST >>../order
		tar --format=pax --owner=0 --group=0 --mtime=@0 --pax-option=delete=atime,delete=ctime,delete=mtime -cf ../changed.case -T ../order
	)
	run --separate-stderr mwhite build -j -o none.idx --case changed.case
	[ "$status" -eq 0 ]
	[ "$(jq -c '[.files,.matched,.left_out]' <<<"$output")" = "[3,0,3]" ]
	head -c 3000 clean.case >cut.case
	fails 65 mwhite build -o x.idx --case cut.case
	[ ! -e x.idx ]
}
