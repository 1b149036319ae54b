#include "centre/flow.h"

#define KEYS(c) { \
	{ "spool", CONF_PATH, &(c)->spool, true, 0, 0 }, \
	{ "authority", CONF_PATH, &(c)->authority, true, 0, 0 }, \
	{ "revoked", CONF_PATH, &(c)->revoked, false, 0, 0 }, \
	{ "analysis-key", CONF_PATH, &(c)->analysis_key, true, 0, 0 }, \
	{ "analysis-certificate", CONF_PATH, &(c)->analysis_certificate, true, 0, 0 }, \
	{ "signer-key", CONF_PATH, &(c)->signer_key, true, 0, 0 }, \
	{ "signer-certificate", CONF_PATH, &(c)->signer_certificate, true, 0, 0 }, \
	{ "known", CONF_PATH, &(c)->known, false, 0, 0 }, \
	{ "environment", CONF_TEXT, &(c)->environment, false, 0, 0 }, \
	{ "seconds", CONF_NUMBER, &(c)->seconds, false, 1, 600 }, \
	{ "retries", CONF_NUMBER, &(c)->retries, false, 0, 1000 }, \
	{ "timeout", CONF_NUMBER, &(c)->timeout, false, 1, 86400 }, \
	{ "run-samples", CONF_BOOL, &(c)->run_samples, false, 0, 0 }, \
}

int flowconf_load(const char *path, struct flow_config *c, struct err *e)
{
	*c = (struct flow_config){ .seconds = -1, .retries = 3, .timeout = 3600, .run_samples = true };
	const struct conf_key keys[] = KEYS(c);

	if (conf_load(path, keys, sizeof(keys) / sizeof(*keys), e) < 0) {
		flowconf_free(c);
		return -1;
	}
	if (!c->environment)
		c->environment = buf_strdup("host");
	return 0;
}

void flowconf_free(struct flow_config *c)
{
	const struct conf_key keys[] = KEYS(c);

	conf_free(keys, sizeof(keys) / sizeof(*keys));
}
