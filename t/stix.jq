# What STIX 2.1 (OASIS Standard, 10 June 2021) requires of a bundle and of the objects that we write; [] when all holds.
# Version 5 of what contributes to an identifier; 4 where nothing does (section 2.9), which is a process alone.
def uuid($version): "[0-9a-f]{8}-[0-9a-f]{4}-\($version)[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
def uuid: uuid("5");
def required: {
	"identity": ["name", "identity_class"], "malware": ["is_family"], "malware-analysis": ["product", "result"],
	"indicator": ["pattern", "pattern_type", "valid_from", "indicator_types"], "attack-pattern": ["name", "external_references"],
	"relationship": ["relationship_type", "source_ref", "target_ref"], "file": ["hashes"],
	"ipv4-addr": ["value"], "ipv6-addr": ["value"], "domain-name": ["value"], "url": ["value"], "email-addr": ["value"],
	"mutex": ["name"], "windows-registry-key": ["key"], "network-traffic": ["protocols", "dst_ref"], "email-message": ["is_multipart"], "process": ["pid"] };
def observable: IN("file", "ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr", "mutex", "windows-registry-key", "network-traffic", "email-message", "process");
def time: type == "string" and test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$");
def allowed: { "indicates": [["indicator"], ["malware"]], "uses": [["malware"], ["attack-pattern"]],
	"communicates-with": [["malware"], ["ipv4-addr", "ipv6-addr", "domain-name", "url"]], "drops": [["malware"], ["file"]],
	"analysis-of": [["malware-analysis"], ["malware"]] };
def mind(f; $what): if f then empty else $what end;

(.objects | map({ key: .id, value: .type }) | from_entries) as $ids
| [ mind(.type == "bundle"; "the bundle's type"), mind(.id | test("^bundle--" + uuid + "$"); "the bundle's id"),
	mind((.objects | map(.id) | unique | length) == (.objects | length); "an id stands twice"),
	(.objects[] | . as $o | (
		mind(.spec_version == "2.1"; "spec_version of \(.id)"),
		mind(.id | test("^" + $o.type + "--" + (if $o.type == "process" then uuid("4") else uuid end) + "$"); "id \(.id) of a \(.type)"),
		mind(required[$o.type] != null; "unexpected type \(.type)"),
		((required[$o.type] // [])[] as $k | mind($o[$k] != null; "\($o.id) lacks \($k)")),
		(if .type | observable then mind(.created == null; "\(.id) has a time") else
			mind((.created | time) and (.modified | time); "times of \(.id)"),
			mind(.type == "identity" or $ids[.created_by_ref // ""] == "identity"; "who made \(.id)") end),
		(if .type == "malware" then mind(.is_family == false and (.sample_refs | length) > 0; "\(.id) is no single sample") else empty end),
		(if .type == "malware-analysis" then mind(.result | IN("malicious", "suspicious", "unknown", "benign"); "result of \(.id)") else empty end),
		(if .type == "indicator" then mind(.pattern | test("^\\[[a-z0-9-]+:[a-zA-Z0-9_.'-]+ = '[^'\\\\]*'\\]$"); "pattern of \(.id)"), mind(.valid_from | time; "valid_from of \(.id)") else empty end),
		(if .type == "attack-pattern" then mind(.external_references[0] | .source_name == "mitre-attack" and (.external_id | test("^T[0-9]{4}(\\.[0-9]{3})?$")); "reference of \(.id)") else empty end),
		(if .type == "file" then mind(.hashes["SHA-256"] | test("^[0-9a-f]{64}$"); "hash of \(.id)") else empty end),
		(if .type == "network-traffic" then
			mind(.protocols | length > 0 and all(.[]; type == "string" and test("^[a-z0-9-]+$")); "protocols of \(.id)"),
			mind($ids[.dst_ref] | IN("ipv4-addr", "ipv6-addr", "domain-name"); "dst_ref of \(.id)"),
			mind(.dst_port == null or (.dst_port > 0 and .dst_port < 65536); "dst_port of \(.id)"),
			(.extensions // {} | to_entries[] | mind(.key == "http-request-ext"; "extension \(.key) of \($o.id)"),
				(.value | mind((.request_method | type == "string" and ascii_downcase == .) and (.request_value | type == "string" and length > 0)
					and (.request_header // {} | all(.[]; type == "array" and all(.[]; type == "string"))); "request of \($o.id)"))) else empty end),
		(if .type == "email-message" then mind((.is_multipart | type == "boolean") and ([.from_ref, .to_refs[]?] | all(.[]; . == null or $ids[.] == "email-addr")); "addresses of \(.id)") else empty end),
		(if .type == "process" then mind(([.parent_ref, .child_refs[]?] | all(.[]; . == null or $ids[.] == "process")) and (.image_ref == null or $ids[.image_ref] == "file")
			and all(.opened_connection_refs[]?; $ids[.] == "network-traffic"); "references of \(.id)") else empty end),
		(if .type == "relationship" then allowed[.relationship_type] as $a |
			mind($a != null and ($ids[$o.source_ref] | IN($a[0][])) and ($ids[$o.target_ref] | IN($a[1][])); "relationship \(.relationship_type) of \(.source_ref) to \(.target_ref)") else empty end),
		([.. | objects | to_entries[] | select(.key | test("_refs?$")) | .value | if type == "array" then .[] else . end][] as $r | mind($ids[$r] != null; "\($o.id) refers to \($r), which is not there")))) ]
