/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The pattern of a header field: a value, a list, a counter or random values. All fields have the
 * same alternatives, and they differ only in how the file writes a value. A pattern of one value is
 * that value, whichever alternative the file has.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "traffic_otg.h"

/* The alternatives. */
enum kind { VALUE, VALUES, INCREMENT, DECREMENT, RANDOM, AUTO };

/* Return the largest value of a field. */
static traffic_value
max_value(const struct otg_field *f)
{
	return ~(traffic_value)0 >> (128 - f->bits);
}

/* Read a MAC address: six pairs of hexadecimal digits with colons between them. */
static bool
read_mac(const char *text, uint8_t mac[6])
{
	int len = 0;

	if (strlen(text) != strlen("00:00:00:00:00:00") ||
			strspn(text, "0123456789abcdefABCDEF:") != strlen(text))
		return false;
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2],
			       &mac[3], &mac[4], &mac[5], &len) == 6 &&
			text[len] == '\0';
}

/* Get a value of a field. */
static int
get_value(const struct otg_node *n, const struct otg_field *f, traffic_value *value)
{
	uint8_t bytes[16];
	const char *text = NULL;
	uint64_t integer = 0;
	unsigned int i;
	int ret;

	if (n->json == NULL)
		return 0;
	if (f->format == OTG_INTEGER || f->format == OTG_SUM) {
		ret = otg_integer(n, 0, max_value(f), &integer);
		*value = integer;
		return ret;
	}
	ret = otg_string(n, &text);
	if (ret != 0)
		return ret;
	if (f->format == OTG_MAC && !read_mac(text, bytes))
		return otg_refuse_value(n, "expected a MAC address, as 02:00:00:00:00:01");
	if (f->format == OTG_IPV4 && inet_pton(AF_INET, text, bytes) != 1)
		return otg_refuse_value(n, "expected an IPv4 address");
	if (f->format == OTG_IPV6 && inet_pton(AF_INET6, text, bytes) != 1)
		return otg_refuse_value(n, "expected an IPv6 address");
	*value = 0;
	for (i = 0; i < f->bits / 8u; i++)
		*value = *value << 8 | bytes[i];
	return 0;
}

/* Get the number of values of a counter or of random values. */
static int
get_count(const struct otg_node *n, uint64_t max, struct traffic_pattern *p)
{
	const struct otg_node count = otg_member(n, "count");
	int ret;

	ret = otg_integer(&count, 1, max, &p->count);
	if (p->step == 0)
		p->count = 1;
	return ret;
}

static int
get_list(const struct otg_node *n, const struct otg_field *f, struct traffic_pattern *p)
{
	struct otg_node element;
	traffic_value *list;
	size_t i, count;
	int ret;

	ret = otg_array(n, &count);
	if (ret != 0 || n->json == NULL)
		return ret;
	if (count == 0)
		return otg_refuse(n, "expected one value or more");
	list = calloc(count, sizeof(*list));
	if (list == NULL)
		return otg_no_memory(n);
	for (i = 0; i < count && ret == 0; i++) {
		element = otg_element(n, i);
		ret = get_value(&element, f, &list[i]);
	}
	p->first = list[0];
	if (ret != 0 || count == 1) {
		free(list);
		return ret;
	}
	p->kind = TRAFFIC_LIST;
	p->count = count;
	p->list = list;
	return 0;
}

static int
get_counter(const struct otg_node *n, const struct otg_field *f, struct traffic_pattern *p)
{
	const struct otg_node start = otg_member(n, "start"), step = otg_member(n, "step");
	int ret;

	p->step = 1;
	ret = otg_keys(n, OTG_NAMES("start", "step", "count"));
	if (ret == 0)
		ret = get_value(&start, f, &p->first);
	if (ret == 0)
		ret = get_value(&step, f, &p->step);
	if (ret == 0)
		ret = get_count(n, f->bits < 32 ? UINT64_C(1) << f->bits : UINT32_MAX, p);
	return ret;
}

static int
get_random(const struct otg_node *n, const struct otg_field *f, struct traffic_pattern *p)
{
	const struct otg_node min = otg_member(n, "min"), max = otg_member(n, "max"),
			      seed = otg_member(n, "seed");
	traffic_value last = max_value(f);
	int ret;

	p->kind = TRAFFIC_RANDOM;
	p->first = 0;
	p->seed = 1;
	ret = otg_keys(n, OTG_NAMES("min", "max", "seed", "count"));
	if (ret == 0)
		ret = get_value(&min, f, &p->first);
	if (ret == 0)
		ret = get_value(&max, f, &last);
	if (ret == 0)
		ret = otg_integer(&seed, 0, UINT32_MAX, &p->seed);
	if (ret == 0 && last < p->first)
		ret = otg_refuse(n, "max is less than min");
	p->step = last - p->first;
	if (ret == 0)
		ret = get_count(n, UINT32_MAX, p);
	if (ret != 0)
		return ret;
	/* A seed of 0 asks for other values in each run. */
	if (p->seed == 0 && getrandom(&p->seed, sizeof(uint32_t), 0) < 0)
		return otg_refuse(&seed, "the system has no random numbers");
	return 0;
}

/* Get a checksum. */
static int
get_sum(const struct otg_node *n, const struct otg_field *f, struct traffic_pattern *p,
		struct otg_computed *c)
{
	const struct otg_node good = otg_member(n, "generated"), custom = otg_member(n, "custom");
	unsigned int chosen = 0;
	const char *text = "good";
	int ret;

	ret = otg_keys(n, OTG_NAMES("choice", "generated", "custom"));
	if (ret == 0)
		ret = otg_choice(n, OTG_NAMES("generated", "custom"), &chosen);
	if (ret == 0 && chosen == 1 && custom.json == NULL)
		ret = otg_refuse(&custom, "required");
	if (ret == 0)
		ret = get_value(&custom, f, &p->first);
	if (ret == 0)
		ret = otg_string(&good, &text);
	if (ret != 0)
		return ret;
	c->is_auto = chosen == 0;
	c->is_bad = strcmp(text, "bad") == 0;
	if (!c->is_bad && strcmp(text, "good") != 0)
		return otg_refuse_value(&good, "expected \"good\" or \"bad\"");
	return 0;
}

/* Choose an alternative of a field. A field is computed by default, if it can be. */
static int
choose(const struct otg_node *n, const struct otg_field *f, enum kind *kind)
{
	static const char *const all[] = { "value", "values", "increment", "decrement", "random",
		"auto", NULL };
	const char *names[9] = { NULL };
	unsigned int i, nr = 0, chosen = 0;
	enum kind kinds[6];
	int ret;

	if ((f->features & OTG_AUTO) != 0)
		kinds[nr++] = AUTO;
	for (i = VALUE; i <= DECREMENT; i++)
		kinds[nr++] = i;
	if ((f->features & OTG_RANDOM) != 0)
		kinds[nr++] = RANDOM;
	for (i = 0; i < nr; i++)
		names[i] = all[kinds[i]];
	names[nr] = "choice";
	names[nr + 1] = "metric_tags";
	ret = otg_keys(n, names);
	names[nr] = NULL;
	if (ret == 0)
		ret = otg_choice(n, names, &chosen);
	*kind = kinds[chosen];
	return ret;
}

int
otg_pattern(const struct otg_node *n, const struct otg_field *f, struct traffic_pattern *p,
		struct otg_computed *c)
{
	const struct otg_node tags = otg_member(n, "metric_tags");
	traffic_value unused;
	struct otg_node member;
	enum kind kind;
	int ret;

	*p = (struct traffic_pattern){ .kind = TRAFFIC_COUNTER, .bits = f->bits, .count = 1 };
	*c = (struct otg_computed){ .is_auto = false };
	p->first = f->fallback;
	if (f->format == OTG_SUM)
		return get_sum(n, f, p, c);
	ret = otg_empty(&tags);
	if (ret == 0)
		ret = choose(n, f, &kind);
	if (ret != 0)
		return ret;
	switch (kind) {
	case VALUE:
		member = otg_member(n, "value");
		return get_value(&member, f, &p->first);
	case VALUES:
		member = otg_member(n, "values");
		return get_list(&member, f, p);
	case INCREMENT:
		member = otg_member(n, "increment");
		return get_counter(&member, f, p);
	case DECREMENT:
		member = otg_member(n, "decrement");
		ret = get_counter(&member, f, p);
		p->step = -p->step;
		return ret;
	case RANDOM:
		member = otg_member(n, "random");
		return get_random(&member, f, p);
	case AUTO:
		/* The file may have the value for a generator that cannot compute it. */
		member = otg_member(n, "auto");
		c->is_auto = true;
		return get_value(&member, f, &unused);
	}
	return 0;
}
