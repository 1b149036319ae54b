#include "known/cache-internal.h"

#include <string.h>

void history_advance(const struct cache_path *old, const struct cache_past *before, const unsigned char sha256[KNOWN_DIGEST],
                     uint64_t owner, uint32_t now, struct cache_change *c)
{
	struct cache_path *p = &c->path;
	size_t i;

	memset(c, 0, sizeof(*c));
	if (!old) {
		p->since = p->seen = now;
		p->owner = owner;
		memcpy(p->sha256, sha256, KNOWN_DIGEST);
		return;
	}
	*p = *old;
	p->seen = now;
	p->age = 0;
	p->owner = owner;
	if (old->changes)
		memcpy(c->before, before, sizeof(c->before));
	if (!memcmp(old->sha256, sha256, KNOWN_DIGEST)) {
		p->streak = 0;
		if (old->owner != owner)
			p->odd = 0;
		return;
	}
	for (i = CACHE_BEFORE - 1; i > 0; i--)
		c->before[i] = c->before[i - 1];
	memcpy(c->before[0].sha256, old->sha256, KNOWN_DIGEST);
	c->before[0].since = old->since;
	c->before[0].until = old->seen;
	memcpy(p->sha256, sha256, KNOWN_DIGEST);
	p->since = now;
	p->changes += p->changes < UINT16_MAX;
	if (old->owner == owner) {
		p->odd += p->odd < UINT8_MAX;
		p->streak += p->streak < UINT8_MAX;
	} else {
		p->odd = p->streak = 0;
	}
}
