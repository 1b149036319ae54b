# catalogue.jq: which pieces of a case belong to which planted specimen, a line each. Input: the case's about.json's.
# A piece belongs to a specimen whose file, process or start-up file it is. Of a piece that others share (a library, an
# interpreter) only the signs count that speak of the specimen's processes.
def fields: split("\u001f");
def score: group_by(.group) | map(map(.weight) | (max as $m | if $m > 0 then $m else min end)) | add // 0 | . * 10 | round / 10;

($plan | rtrimstr("\n") | split("\n") | map(fields)) as $planned
| ($manifest | rtrimstr("\n") | split("\n") | map(split("\t"))) as $said
| ($said | map(select(.[1] == "pid") | {key: .[2], value: .[0]}) | from_entries) as $by_pid
| ($said | map(select(.[1] == "path") | {key: .[2], value: .[0]}) | from_entries) as $by_path
| ($said | map(select(.[1] == "failed") | {key: .[0], value: .[2]}) | from_entries) as $failed
| [inputs
	| select(.signs | length > 0)
	| . as $piece
	| ((has("known") | not) or .known.kept != null) as $left
	| ([.sightings[] | select(.pid) | .pid | tostring] | unique) as $pids
	| ([.paths[] | select(type == "string")] + [.sightings[] | .file | select(type == "string")] | map($by_path[.] // empty) | unique) as $owners
	| ($pids | map($by_pid[.] // "") | unique) as $holders
	| if $owners != [] then {id: $owners[], kind, $left, signs}
	  elif ($holders | length) == 1 and $holders[0] != "" then {id: $holders[0], kind, $left, signs}
	  else
		$holders[] | select(. != "") as $id
		| [$pids[] | select($by_pid[.] == $id)] as $mine
		| ([$piece.sightings[] | select(.pages_modified) | .pid | tostring | select(IN($mine[]))] != []) as $modified
		| ([$piece.sightings[] | select(.forced) | .pid | tostring | select(IN($mine[]))] != []) as $forced
		| {$id, kind: $piece.kind, $left, signs: [$piece.signs[] | select((.reason | tostring) as $r
			| any($mine[]; . as $p | $r | test("\\bprocess \($p)\\b")) or ($modified and .name == "text-modified") or ($forced and .name == "text-forced"))]}
		| select(.signs != [])
	  end
	| {id, kind, score: (.signs | score), signs: [.signs[].name]} + if .left then {} else {left} end]
| group_by(.id) | map({key: .[0].id, value: map(del(.id)) | sort_by(-.score)}) | from_entries | . as $seen
| $planned[]
| .[0] as $id
| $techniques[0][$id | split("-")[0] | tonumber] as $t
| {label: "suspicious", technique: "\($t.attack)/\($t.name)", variation: $variation, seed: $seed, own: $t.own,
   pieces: ($seen[$id] // [])}
	+ if $failed[$id] then {failed: $failed[$id]} else {} end
