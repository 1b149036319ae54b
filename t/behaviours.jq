# From a case with the specimens of testdata/behaviour and their catalogue: what is missing and what is too much, a line each, and the table.

def base: split("/") | last;
# The folders above a path that was expected need not be there before.
def above($paths): . as $f | ($paths | index($f) | not) and any($paths[]; startswith($f + "/"));

def facts($d; $v):
	{ files: [$d.files[] | {path, change, type}],
	  startup: [$d.startup[] | "\(.place) \(.file)"] | unique,
	  accounts: [$d.accounts[]? | "\(.change) \(.account)"] | unique,
	  connections: [$d.connections[] | "\(.event) \(.protocol) \(.address) \(.port)"] | unique,
	  sleeps: [$d.sleeps[]? | "\(.call) \(.seconds | round)"] | unique,
	  exchanges: [$d.exchanges[]? | "\(.service) \(.address) \(.port)"] | unique,
	  scans: [$d.scans[]? | "\(.protocol) \(.port) \(.order) \(.addresses)"] | unique,
	  memory: ($d.memory | length),
	  processes: [$d.processes[] | select(.runs[0] == 0)
		| if .path == $d.path or .file == $d.path or (.argv[1] == $d.path and (.path | base | IN("dash", "sh", "bash"))) then "self" else .path | base end] | sort,
	  signs: ([$v.reasons[] | select(.source == "dynamic") | {(.sign): .text}] + [$d.signs[] | {(.name): .reason}] | add // {}) };

# Of a list that is expected exactly: [wanted, found, missing, too much].
def exactly($want; $have): { missing: ($want - $have), extra: ($have - $want), hit: ($want - ($want - $have) | length), have: ($have | length) };

def files_of($want; $have):
	($want | map(ltrimstr("~") | ltrimstr("+") | ltrimstr("-"))) as $paths
	| [$have[] | select((.type == "dir" and .change == "created" and (.path | above($want | map(.[1:])))) | not)] as $have
	| [$want[] | . as $w | .[1:] as $p | select(any($have[]; .path == $p and
		(if $w[0:1] == "-" then .change == "deleted" elif $w[0:1] == "+" then .change == "created" else .change != "deleted" end)) | not)] as $missing
	| { missing: $missing, extra: [$have[] | select(.path as $p | $want | map(.[1:]) | index($p) | not) | "\(.change) \(.path)"],
	    hit: (($want | length) - ($missing | length)), have: ($have | length) };

def signs_of($want; $have):
	[$want | to_entries[] | . as $w | select($have[$w.key] == null or ($have[$w.key] | contains($w.value) | not)) | "\(.key) (\(.value))"] as $missing
	| { missing: $missing, extra: [$have | to_entries[] | select(.key as $k | $want | has($k) | not) | "\(.key): \(.value)"],
	    hit: (($want | length) - ($missing | length)), have: ($have | length) };

# As many of each: ["self", "self"] are two.
def counted: group_by(.) | map(.[0] as $x | to_entries[] | "\($x) \(.key)");

def compare($e; $f; $caps):
	{ files: (if $e.files == null then exactly([]; []) else files_of($e.files; $f.files) end),
	  startup: exactly($e.startup // []; $f.startup), accounts: exactly($e.accounts // []; $f.accounts),
	  connections: exactly($e.connections // []; $f.connections),
	  sleeps: exactly($e.sleeps // []; $f.sleeps),
	  exchanges: (if $e.exchanges == null and $e.connections then exactly([]; []) else exactly($e.exchanges // []; $f.exchanges) end),
	  scans: exactly($e.scans // []; $f.scans),
	  memory: exactly([range($e.memory // 0) | "piece \(.)"]; [range($f.memory) | "piece \(.)"]),
	  processes: (if $e.processes == null then exactly([]; []) else exactly($e.processes | counted; $f.processes | counted) end),
	  signs: signs_of($e.signs; $f.signs),
	  capabilities: (exactly($e.capabilities // []; $caps) | .extra = [] | .have = .hit) };

($about | map({(.sha256): (.paths[0] | base)}) | add // {}) as $name
| ($static | map({($name[.sha256] // ""): [.capabilities[]?.name]}) | add // {}) as $caps
| ($dynamic | map({($name[.sha256] // ""): .}) | add // {}) as $dyn
| ($verdict | map({($name[.sha256] // ""): .}) | add // {}) as $ver
| [$chosen[] | . as $s | ([$skipped[] | select(.name == $s.name) | .lacks] | first) as $lacks
	| { name, lacks: $lacks, result: (if $lacks or $dyn[.name] == null then null else
		[compare(.expect | if has("files") then . else .files = [] end; facts($dyn[$s.name]; $ver[$s.name]); $caps[$s.name] // [])] | first end) }] as $all
| (["1..\($all | length)"]
  + [$all | to_entries[] | (.key + 1) as $i | .value
	| if .lacks then "ok \($i) \(.name) # skip \(.lacks)"
	  elif .result == null then "not ok \($i) \(.name)\n# it was not run"
	  else ([.result | to_entries[] | .key as $k | (.value.missing[] | "# \($k): missing \(.)"), (.value.extra[] | "# \($k): too much \(.)")]) as $bad
	  | if $bad == [] then "ok \($i) \(.name)" else "not ok \($i) \(.name)\n" + ($bad | join("\n")) end end]
  + ["# fact          expected reported recall precision"]
  + [("files", "startup", "accounts", "connections", "exchanges", "scans", "sleeps", "memory", "processes", "signs", "capabilities") as $k
	| [$all[] | .result // empty | .[$k] // empty] as $r
	| ($r | map(.hit + (.missing | length)) | add // 0) as $want | ($r | map(.hit) | add // 0) as $hit | ($r | map(.have) | add // 0) as $have
	| ($r | map(.extra | length) | add // 0) as $extra
	| "# \($k + "               " | .[0:13]) \("       \($want)" | .[-8:]) \("       \($have)" | .[-8:]) \("       \(if $want == 0 then "-" else "\($hit * 1000 / $want | floor / 10) %" end)" | .[-7:]) \("         \(if $have == 0 then "-" else "\(($have - $extra) * 1000 / $have | floor / 10) %" end)" | .[-9:])"]
  + ["# \([$all[] | select(.lacks)] | length) of \($all | length) specimens were not run"])[]
