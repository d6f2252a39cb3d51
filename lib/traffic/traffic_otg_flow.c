/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Metrics, sizes, payload, rate and duration of a flow: all of it except its headers. Each function
 * reads one object of the OTG model. Sizes in the file include the FCS, ours do not.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "traffic_otg.h"

#define FCS 4
/* Limits that keep all computations of times within 64 bits: a petabit a second, 31 years. */
#define RATE_MAX  UINT64_C(1000000000000000)
#define NS_MAX    1e18
#define BYTES_MAX 1e15
#define PAIR_MAX  1e9 /* weight of a size */

static int
get_latency(const struct otg_node *n, struct traffic_flow *f)
{
	const struct otg_node enable = otg_member(n, "enable"), mode = otg_member(n, "mode");
	const char *text = "store_forward";
	int ret;

	ret = otg_keys(n, OTG_NAMES("enable", "mode"));
	if (ret == 0)
		ret = otg_bool(&enable, &f->latency);
	if (ret == 0)
		ret = otg_string(&mode, &text);
	if (ret != 0)
		return ret;
	f->cut_through = strcmp(text, "cut_through") == 0;
	if (!f->cut_through && strcmp(text, "store_forward") != 0)
		return otg_refuse_value(&mode, "unknown, or not supported");
	return 0;
}

/* Check settings of which only the default is supported: one copy of each frame, and no tags. */
static int
check_copies_and_tags(const struct otg_node *metrics)
{
	const struct otg_node ratio = otg_member(metrics, "rx_tx_ratio");
	const struct otg_node tags = otg_member(metrics, "predefined_metric_tags");
	const struct otg_node value = otg_member(&ratio, "value");
	const struct otg_node name = otg_member(&tags, "rx_name");
	unsigned int chosen;
	double copies = 1;
	bool by_port = false;
	int ret;

	ret = otg_keys(&ratio, OTG_NAMES("choice", "value"));
	if (ret == 0)
		ret = otg_choice(&ratio, OTG_NAMES("value"), &chosen);
	if (ret == 0)
		ret = otg_number(&value, 1, 1, &copies);
	if (ret == 0)
		ret = otg_keys(&tags, OTG_NAMES("rx_name"));
	if (ret == 0)
		ret = otg_bool(&name, &by_port);
	if (ret == 0 && by_port)
		ret = otg_refuse_value(&name, "not supported");
	return ret;
}

int
otg_flow_metrics(const struct otg_node *metrics, struct traffic_flow *f)
{
	const struct otg_node enable = otg_member(metrics, "enable"),
			      loss = otg_member(metrics, "loss"),
			      timestamps = otg_member(metrics, "timestamps"),
			      latency = otg_member(metrics, "latency");
	int ret;

	ret = otg_keys(metrics,
			OTG_NAMES("enable", "loss", "rx_tx_ratio", "timestamps", "latency",
					"predefined_metric_tags"));
	if (ret == 0)
		ret = otg_bool(&enable, &f->stamped);
	if (ret == 0)
		ret = otg_bool(&loss, &f->loss);
	if (ret == 0)
		ret = otg_bool(&timestamps, &f->timestamps);
	if (ret == 0)
		ret = get_latency(&latency, f);
	if (ret == 0)
		ret = check_copies_and_tags(metrics);
	/* Without metrics, frames carry no stamps, from which all others are computed. */
	f->loss &= f->stamped;
	f->timestamps &= f->stamped;
	f->latency &= f->stamped;
	return ret;
}

/* Check a size with FCS, and return it without FCS. */
static int
check_size(const struct otg_node *n, const struct traffic_flow *f, uint64_t size, uint32_t *result)
{
	uint64_t bare = f->headers_len + FCS, least = bare;
	bool is_wire_size = size >= TRAFFIC_FRAME_MIN + FCS && size <= TRAFFIC_FRAME_MAX + FCS;

	if (f->stamped)
		least += TRAFFIC_STAMP_LEN;
	if (least < TRAFFIC_FRAME_MIN + FCS)
		least = TRAFFIC_FRAME_MIN + FCS;
	if (size < least && least > TRAFFIC_FRAME_MIN + FCS)
		return otg_refuse_value(n,
				"a %sframe of this flow has at least %u bytes with FCS%s",
				f->stamped ? "stamped " : "", (unsigned int)least,
				f->stamped && is_wire_size && size >= bare ?
						"; or set metrics.enable to false" :
						"");
	if (!is_wire_size)
		return otg_refuse_value(n, "expected %u to %u bytes", TRAFFIC_FRAME_MIN + FCS,
				TRAFFIC_FRAME_MAX + FCS);
	*result = size - FCS;
	return 0;
}

/* Get a size. *size is the default before, with FCS, and the result without. */
static int
get_size(const struct otg_node *n, const struct traffic_flow *f, uint32_t *size)
{
	uint64_t value = *size;
	int ret;

	ret = otg_integer(n, 0, UINT32_MAX, &value);
	return ret != 0 ? ret : check_size(n, f, value, size);
}

/* Get the first and the last size. */
static int
get_range(const struct otg_node *n, const char *first_key, const char *last_key,
		struct traffic_flow *f)
{
	const struct otg_node first = otg_member(n, first_key), last = otg_member(n, last_key);
	int ret;

	f->size.first = 64;
	f->size.last = 1518;
	ret = get_size(&first, f, &f->size.first);
	if (ret == 0)
		ret = get_size(&last, f, &f->size.last);
	if (ret == 0 && f->size.last < f->size.first)
		ret = otg_refuse(n, "%s is less than %s", last_key, first_key);
	return ret;
}

static int
get_increment(const struct otg_node *n, struct traffic_flow *f)
{
	const struct otg_node step = otg_member(n, "step");
	uint64_t value = 1;
	int ret;

	ret = otg_keys(n, OTG_NAMES("start", "end", "step"));
	if (ret == 0)
		ret = get_range(n, "start", "end", f);
	if (ret == 0)
		ret = otg_integer(&step, 1, UINT32_MAX, &value);
	f->size.step = value;
	return ret;
}

/* A size with FCS, and its weight. */
struct pair {
	uint32_t size;
	double weight;
};

/* OTG's mixes of sizes. */
static const struct mix {
	const char *name;
	struct pair pairs[5];
} mixes[] = {
	{ "imix", { { 64, 7 }, { 570, 4 }, { 1518, 1 } } },
	{ "ipsec_imix", { { 90, 58.67 }, { 92, 2 }, { 594, 23.66 }, { 1418, 15.67 } } },
	{ "ipv6_imix", { { 60, 58.67 }, { 496, 2 }, { 594, 23.66 }, { 1518, 15.67 } } },
	{ "standard_imix", { { 58, 58.67 }, { 62, 2 }, { 594, 23.66 }, { 1518, 15.67 } } },
	{ "tcp_imix", { { 90, 58.67 }, { 92, 2 }, { 594, 23.66 }, { 1518, 15.67 } } },
};

#define NR_MIXES (sizeof(mixes) / sizeof(mixes[0]))

/* Take a mix. Ethernet pads frames of less than 64 bytes. */
static int
get_mix(const struct otg_node *n, struct traffic_flow *f, double *weights)
{
	const char *name = "imix";
	struct traffic_size *s = &f->size;
	const struct pair *pair;
	unsigned int i = 0;
	int ret;

	ret = otg_string(n, &name);
	if (ret != 0)
		return ret;
	while (i < NR_MIXES && strcmp(mixes[i].name, name) != 0)
		i++;
	if (i == NR_MIXES)
		return otg_refuse_value(n, "unknown, or not supported");
	for (pair = mixes[i].pairs; ret == 0 && pair->size != 0; pair++) {
		weights[s->nr] = pair->weight;
		ret = check_size(n, f, pair->size < 64 ? 64 : pair->size, &s->sizes[s->nr++]);
	}
	return ret;
}

static int
get_pairs(const struct otg_node *n, struct traffic_flow *f, double *weights)
{
	struct otg_node element, size, weight;
	struct traffic_size *s = &f->size;
	size_t count;
	int ret;

	ret = otg_array(n, &count);
	if (ret != 0)
		return ret;
	if (count < 1 || count > TRAFFIC_WEIGHTS_MAX)
		return otg_refuse(n, "%zu pairs: expected 1 to %u", count, TRAFFIC_WEIGHTS_MAX);
	for (; s->nr < count && ret == 0; s->nr++) {
		element = otg_element(n, s->nr);
		size = otg_member(&element, "size");
		weight = otg_member(&element, "weight");
		s->sizes[s->nr] = 64;
		weights[s->nr] = 1;
		ret = otg_keys(&element, OTG_NAMES("size", "weight"));
		if (ret == 0)
			ret = get_size(&size, f, &s->sizes[s->nr]);
		if (ret == 0)
			ret = otg_number(&weight, 0, PAIR_MAX, &weights[s->nr]);
		if (ret == 0 && weights[s->nr] <= 0)
			ret = otg_refuse_value(&weight, "expected more than 0");
	}
	return ret;
}

static int
get_weights(const struct otg_node *n, struct traffic_flow *f)
{
	const struct otg_node predefined = otg_member(n, "predefined");
	const struct otg_node custom = otg_member(n, "custom");
	double weights[TRAFFIC_WEIGHTS_MAX], sum = 0, below = 0;
	struct traffic_size *s = &f->size;
	unsigned int i, chosen = 0;
	int ret;

	ret = otg_keys(n, OTG_NAMES("choice", "predefined", "custom"));
	if (ret == 0)
		ret = otg_choice(n, OTG_NAMES("predefined", "custom"), &chosen);
	if (ret == 0)
		ret = chosen == 0 ? get_mix(&predefined, f, weights) :
				    get_pairs(&custom, f, weights);
	if (ret != 0)
		return ret;
	for (i = 0; i < s->nr; i++)
		sum += weights[i];
	for (i = 0; i < s->nr; i++) {
		below += weights[i];
		s->below[i] = (uint64_t)(below / sum * 0x1p32 + 0.5);
	}
	s->below[s->nr - 1] = UINT64_C(1) << 32;
	return 0;
}

int
otg_flow_size(const struct otg_node *size, struct traffic_flow *f)
{
	static const char *const names[] = { "fixed", "increment", "random", "weight_pairs", NULL };
	struct otg_node member;
	unsigned int chosen = 0;
	int ret;

	ret = otg_keys(size, OTG_NAMES("choice", "fixed", "increment", "random", "weight_pairs"));
	if (ret == 0)
		ret = otg_choice(size, names, &chosen);
	if (ret != 0)
		return ret;
	member = otg_member(size, names[chosen]);
	f->size.seed = f->number;
	switch (chosen) {
	case 0:
		f->size.kind = TRAFFIC_SIZE_COUNTER;
		f->size.first = 64;
		ret = get_size(&member, f, &f->size.first);
		f->size.last = f->size.first;
		return ret;
	case 1:
		f->size.kind = TRAFFIC_SIZE_COUNTER;
		return get_increment(&member, f);
	case 2:
		f->size.kind = TRAFFIC_SIZE_RANDOM;
		ret = otg_keys(&member, OTG_NAMES("min", "max"));
		return ret != 0 ? ret : get_range(&member, "min", "max", f);
	default:
		f->size.kind = TRAFFIC_SIZE_WEIGHTS;
		return get_weights(&member, f);
	}
}

/* Read pairs of hexadecimal digits. */
static bool
read_hex(const char *text, size_t len, uint8_t *bytes)
{
	char digits[3] = "";
	size_t i;

	if (len % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != len)
		return false;
	for (i = 0; i < len; i += 2) {
		memcpy(digits, text + i, 2);
		bytes[i / 2] = strtoul(digits, NULL, 16);
	}
	return true;
}

static int
get_fixed_payload(const struct otg_node *n, struct traffic_payload *p)
{
	const struct otg_node pattern = otg_member(n, "pattern"), repeat = otg_member(n, "repeat");
	const char *text = "00";
	size_t len;
	int ret;

	p->repeat = true;
	ret = otg_keys(n, OTG_NAMES("pattern", "repeat"));
	if (ret == 0)
		ret = otg_bool(&repeat, &p->repeat);
	if (ret == 0)
		ret = otg_string(&pattern, &text);
	if (ret != 0)
		return ret;
	len = strlen(text);
	if (len < 2 || len > 2 * TRAFFIC_FRAME_MAX)
		return otg_refuse_value(&pattern, "expected 1 to %u bytes", TRAFFIC_FRAME_MAX);
	p->pattern = malloc(len / 2);
	if (p->pattern == NULL)
		return otg_no_memory(n);
	p->len = len / 2;
	if (!read_hex(text, len, p->pattern))
		return otg_refuse_value(&pattern, "expected pairs of hexadecimal digits");
	return 0;
}

int
otg_flow_payload(const struct otg_node *payload, struct traffic_flow *f)
{
	const struct otg_node fixed = otg_member(payload, "fixed");
	unsigned int chosen = 0;
	int ret;

	/* All alternatives but the first one are mere names, which may not be keys. */
	ret = otg_keys(payload, OTG_NAMES("choice", "fixed"));
	if (ret == 0)
		ret = otg_choice(payload,
				OTG_NAMES("fixed", "increment_byte", "decrement_byte",
						"increment_word", "decrement_word"),
				&chosen);
	if (ret != 0)
		return ret;
	if (chosen == 0)
		return get_fixed_payload(&fixed, &f->payload);
	f->payload.kind = chosen <= 2 ? TRAFFIC_PAYLOAD_BYTES : TRAFFIC_PAYLOAD_WORDS;
	f->payload.down = chosen % 2 == 0;
	return 0;
}

int
otg_flow_rate(const struct otg_node *rate, struct traffic_flow *f)
{
	static const char *const names[] = { "pps", "bps", "kbps", "mbps", "gbps", NULL };
	static const struct unit {
		uint64_t bits, min, fallback;
	} units[] = {
		{ 1, 1, 1000 },
		{ 1, 672, 1000000000 },
		{ 1000, 1, 1000000 },
		{ 1000000, 1, 1000 },
		{ 1000000000, 1, 1 },
	};
	const struct otg_node percentage = otg_member(rate, "percentage");
	const struct unit *u;
	struct otg_node member;
	unsigned int chosen = 0;
	double percent = 100;
	int ret;

	ret = otg_keys(rate,
			OTG_NAMES("choice", "pps", "bps", "kbps", "mbps", "gbps", "percentage"));
	if (ret == 0)
		ret = otg_choice(rate,
				OTG_NAMES("pps", "bps", "kbps", "mbps", "gbps", "percentage"),
				&chosen);
	if (ret != 0)
		return ret;
	if (names[chosen] == NULL) {
		ret = otg_number(&percentage, 0.000001, 100, &percent);
		f->rate.kind = TRAFFIC_RATE_PERCENT;
		f->rate.value = (uint64_t)(percent * 1000000 + 0.5);
		return ret;
	}
	u = &units[chosen];
	member = otg_member(rate, names[chosen]);
	f->rate.kind = chosen == 0 ? TRAFFIC_RATE_PPS : TRAFFIC_RATE_BPS;
	f->rate.value = u->fallback;
	/* The model gives gbps 32 bits, and the others 64. */
	if (strcmp(names[chosen], "gbps") == 0)
		ret = otg_integer(&member, u->min, RATE_MAX / u->bits, &f->rate.value);
	else
		ret = otg_integer64(&member, u->min, RATE_MAX / u->bits, &f->rate.value);
	f->rate.value *= u->bits;
	return ret;
}

/*
 * Get a time that is in bytes, ns or us.
 *
 * @param fallback  its default in bytes; that in ns is 8 times as much, as at 1 Gbit/s
 */
static int
get_time(const struct otg_node *n, double fallback, uint64_t *bytes, uint64_t *ns)
{
	static const char *const names[] = { "bytes", "nanoseconds", "microseconds", NULL };
	static const double scale[] = { 1, 1, 1000 };
	unsigned int chosen = 0;
	struct otg_node member;
	double value;
	int ret;

	ret = otg_keys(n, OTG_NAMES("choice", "bytes", "nanoseconds", "microseconds"));
	if (ret == 0)
		ret = otg_choice(n, names, &chosen);
	if (ret != 0)
		return ret;
	member = otg_member(n, names[chosen]);
	value = chosen == 0 ? fallback : fallback * 8 / scale[chosen];
	ret = otg_number(&member, 0, chosen == 0 ? BYTES_MAX : NS_MAX / scale[chosen], &value);
	*(chosen == 0 ? bytes : ns) = (uint64_t)(value * scale[chosen] + 0.5);
	return ret;
}

/* Get the gap between frames, and the delay before the first one. */
static int
get_gap_and_delay(const struct otg_node *n, struct traffic_duration *d)
{
	const struct otg_node gap = otg_member(n, "gap"), delay = otg_member(n, "delay");
	uint64_t value = 12;
	int ret;

	ret = otg_integer(&gap, 0, UINT32_MAX, &value);
	d->gap = value;
	return ret != 0 ? ret : get_time(&delay, 0, &d->delay_bytes, &d->delay_ns);
}

static int
get_packets(const struct otg_node *n, struct traffic_duration *d)
{
	const struct otg_node packets = otg_member(n, "packets");

	d->packets = 1;
	return otg_integer(&packets, 1, UINT32_MAX, &d->packets);
}

static int
get_seconds(const struct otg_node *n, struct traffic_duration *d)
{
	const struct otg_node seconds = otg_member(n, "seconds");
	double value = 1;
	int ret;

	ret = otg_number(&seconds, 1e-9, NS_MAX / 1e9, &value);
	d->ns = (uint64_t)(value * 1e9 + 0.5);
	return ret;
}

static int
get_bursts(const struct otg_node *n, struct traffic_duration *d)
{
	const struct otg_node bursts = otg_member(n, "bursts");
	const struct otg_node gap = otg_member(n, "inter_burst_gap");
	int ret;

	d->is_bursts = true;
	ret = otg_integer(&bursts, 0, UINT32_MAX, &d->bursts);
	if (ret == 0)
		ret = get_packets(n, d);
	return ret != 0 ? ret : get_time(&gap, 12, &d->burst_gap_bytes, &d->burst_gap_ns);
}

int
otg_flow_duration(const struct otg_node *duration, struct traffic_flow *f)
{
	static const char *const names[] = { "continuous", "fixed_packets", "fixed_seconds",
		"burst", NULL };
	static const char *const keys[][5] = {
		{ "gap", "delay" },
		{ "gap", "delay", "packets" },
		{ "gap", "delay", "seconds" },
		{ "gap", "packets", "bursts", "inter_burst_gap" },
	};
	struct otg_node member;
	unsigned int chosen = 0;
	int ret;

	ret = otg_keys(duration,
			OTG_NAMES("choice", "continuous", "fixed_packets", "fixed_seconds",
					"burst"));
	if (ret == 0)
		ret = otg_choice(duration, names, &chosen);
	if (ret != 0)
		return ret;
	member = otg_member(duration, names[chosen]);
	ret = otg_keys(&member, keys[chosen]);
	if (ret == 0)
		ret = get_gap_and_delay(&member, &f->duration);
	if (ret != 0 || chosen == 0)
		return ret;
	if (chosen == 1)
		return get_packets(&member, &f->duration);
	if (chosen == 2)
		return get_seconds(&member, &f->duration);
	return get_bursts(&member, &f->duration);
}
