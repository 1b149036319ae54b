#include "agent/agent.h"

#include <stdlib.h>
#include <string.h>

#define KEYS(c) { \
	{ "state", CONF_PATH, &(c)->state, true, 0, 0 }, \
	{ "centre", CONF_TEXT, &(c)->centre, true, 0, 0 }, \
	{ "centre-name", CONF_TEXT, &(c)->centre_name, false, 0, 0 }, \
	{ "key", CONF_PATH, &(c)->key, true, 0, 0 }, \
	{ "certificate", CONF_PATH, &(c)->certificate, true, 0, 0 }, \
	{ "authority", CONF_PATH, &(c)->authority, true, 0, 0 }, \
	{ "revoked", CONF_PATH, &(c)->revoked, false, 0, 0 }, \
	{ "analysis", CONF_PATH, &(c)->analysis, true, 0, 0 }, \
	{ "known", CONF_PATH, &(c)->known, false, 0, 0 }, \
	{ "environment", CONF_TEXT, &(c)->environment, false, 0, 0 }, \
	{ "path", CONF_LIST, &(c)->paths, false, 0, 0 }, \
	{ "wait", CONF_NUMBER, &(c)->wait, false, 0, 86400 }, \
	{ "patience", CONF_NUMBER, &(c)->patience, false, 0, 31536000 }, \
	{ "timeout", CONF_NUMBER, &(c)->timeout, false, 1, 86400 }, \
	{ "nice", CONF_NUMBER, &(c)->niceness, false, 0, 19 }, \
	{ "score", CONF_NUMBER, &(c)->score, false, 0, 100000 }, \
	{ "background", CONF_BOOL, &(c)->background, false, 0, 0 }, \
	{ "apply", CONF_BOOL, &(c)->apply, false, 0, 0 }, \
	{ "rescan", CONF_BOOL, &(c)->rescan, false, 0, 0 }, \
	{ "deltas", CONF_BOOL, &(c)->deltas, false, 0, 0 }, \
}

int config_load(const char *path, struct agent_config *c, struct err *e)
{
	*c = (struct agent_config){
		.wait = 60, .patience = 86400, .timeout = 1800, .niceness = 10, .score = -1,
		.background = true, .apply = true, .rescan = true,
	};
	const struct conf_key keys[] = KEYS(c);

	if (conf_load(path, keys, sizeof(keys) / sizeof(*keys), e) < 0) {
		config_free(c);
		return -1;
	}
	if (c->deltas && !c->known) {
		config_free(c);
		return err_set(e, EX_CONFIG, "%s: 'deltas yes' wants 'known', the index that is to follow them", err_q(path));
	}
	if (!c->environment)
		c->environment = buf_strdup("host");
	return 0;
}

void config_free(struct agent_config *c)
{
	const struct conf_key keys[] = KEYS(c);

	conf_free(keys, sizeof(keys) / sizeof(*keys));
}
