#include "export/internal.h"

#include <stdlib.h>
#include <string.h>

#define ATTACK_FORMAT "muss-attack/1"

const struct attack_tactic attack_tactics[] = {
	{ "reconnaissance", "Reconnaissance" }, { "resource-development", "Resource development" }, { "initial-access", "Initial access" },
	{ "execution", "Execution" }, { "persistence", "Persistence" }, { "privilege-escalation", "Privilege escalation" },
	{ "defense-evasion", "Defense evasion" }, { "credential-access", "Credential access" }, { "discovery", "Discovery" },
	{ "lateral-movement", "Lateral movement" }, { "collection", "Collection" }, { "command-and-control", "Command and control" },
	{ "exfiltration", "Exfiltration" }, { "impact", "Impact" }, { NULL, NULL },
};

json_t *attack_load(struct err *e)
{
	char *path = spawn_share("attack.json");
	json_t *j = jsonio_load(path, e), *techniques = NULL;
	const char *format = jsonio_str(j, "format");

	if (!j) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
	} else if (!format || strcmp(format, ATTACK_FORMAT)) {
		err_set(e, EX_CONFIG, "%s is no table of techniques (%s)", err_q(path), ATTACK_FORMAT);
	} else {
		techniques = json_incref(json_object_get(j, "techniques"));
		if (!techniques)
			err_set(e, EX_CONFIG, "%s lists no techniques", err_q(path));
	}
	json_decref(j);
	free(path);
	return techniques;
}

const char *attack_name(const json_t *attack, const char *technique)
{
	return json_string_value(json_array_get(json_object_get(attack, technique), 0));
}

const char *attack_tactic(const json_t *attack, const char *technique)
{
	const char *tactic = json_string_value(json_array_get(json_object_get(attack, technique), 1));
	char parent[16];

	if (tactic)
		return tactic;
	snprintf(parent, sizeof parent, "%.*s", (int)strcspn(technique, "."), technique);
	tactic = json_string_value(json_array_get(json_object_get(attack, parent), 1));
	return tactic ? tactic : "";
}
