/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A set of faults is an object of groups, each with numbers, words or flags:
 *
 *     {"seed": 7, "loss": {"probability": 0.01}, "delay": {"us": 50, "jitter_us": 5}}
 *
 * One table has all members, with their places in struct wire_faults. A key that is not in the
 * table is refused, so that no fault is believed to be active that is not.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "control_faults.h"
#include "port_spec.h"

enum member_kind {
	MEMBER_COUNT,       /* uint64_t: a whole number */
	MEMBER_UINT,        /* unsigned int: likewise */
	MEMBER_US,          /* uint64_t ns: a number of microseconds */
	MEMBER_PROBABILITY, /* uint64_t: 0 to 1, in units of 2^-32 */
	MEMBER_FLAG,        /* bool */
	MEMBER_LOSS,        /* enum wire_loss */
	MEMBER_JITTER,      /* enum wire_jitter */
};

static const struct member {
	const char *group, *key; /* group "": of the object itself */
	enum member_kind kind;
	size_t at;
} members[] = {
#define AT(member) offsetof(struct wire_faults, member)
	{ "", "seed", MEMBER_COUNT, AT(seed) },
	{ "", "first", MEMBER_COUNT, AT(first) },
	{ "", "count", MEMBER_COUNT, AT(count) },
	{ "", "queue_bytes", MEMBER_UINT, AT(queue_bytes) },
	{ "loss", "model", MEMBER_LOSS, AT(loss.kind) },
	{ "loss", "probability", MEMBER_PROBABILITY, AT(loss.probability) },
	{ "loss", "every", MEMBER_COUNT, AT(loss.every) },
	{ "loss", "bad_probability", MEMBER_PROBABILITY, AT(loss.bad_probability) },
	{ "loss", "enter", MEMBER_PROBABILITY, AT(loss.enter) },
	{ "loss", "leave", MEMBER_PROBABILITY, AT(loss.leave) },
	{ "corrupt", "probability", MEMBER_PROBABILITY, AT(corrupt.probability) },
	{ "corrupt", "bits", MEMBER_UINT, AT(corrupt.bits) },
	{ "corrupt", "offset", MEMBER_UINT, AT(corrupt.offset) },
	{ "bad_fcs", "probability", MEMBER_PROBABILITY, AT(bad_fcs) },
	{ "duplicate", "probability", MEMBER_PROBABILITY, AT(duplicate) },
	{ "reorder", "probability", MEMBER_PROBABILITY, AT(reorder.probability) },
	{ "reorder", "extent", MEMBER_UINT, AT(reorder.extent) },
	{ "reorder", "hold_us", MEMBER_US, AT(reorder.hold_ns) },
	{ "delay", "us", MEMBER_US, AT(delay.ns) },
	{ "delay", "jitter_us", MEMBER_US, AT(delay.jitter) },
	{ "delay", "distribution", MEMBER_JITTER, AT(delay.distribution) },
	{ "delay", "any_order", MEMBER_FLAG, AT(delay.any_order) },
#undef AT
};

static const char *const loss_names[] = {
	[WIRE_LOSS_NONE] = "none",
	[WIRE_LOSS_RANDOM] = "random",
	[WIRE_LOSS_EVERY] = "every",
	[WIRE_LOSS_BURSTS] = "bursts",
};
static const char *const jitter_names[] = {
	[WIRE_JITTER_UNIFORM] = "uniform",
	[WIRE_JITTER_NORMAL] = "normal",
	[WIRE_JITTER_PARETO] = "pareto",
};

/* Return the number of a word among names; -1: it is none of them. */
static int
find_word(const json_t *json, const char *const *names, unsigned int nr)
{
	const char *word = json_string_value(json);
	unsigned int i;

	for (i = 0; word != NULL && i < nr; i++)
		if (strcmp(names[i], word) == 0)
			return (int)i;
	return -1;
}

/* Store a number that is from 0 to most, in units of 1 / scale. Return false: it is none. */
static bool
store_number(uint64_t *to, const json_t *json, double scale, double most)
{
	double value = json_number_value(json);

	if (!json_is_number(json) || !(value >= 0 && value <= most))
		return false;
	*to = (uint64_t)(value * scale + 0.5);
	return true;
}

/* Store a member. Return what it must be; NULL: it is that. */
static const char *
store(const struct member *m, const json_t *json, struct wire_faults *faults)
{
	void *to = (char *)faults + m->at;
	uint64_t number = 0;
	int word;

	switch (m->kind) {
	case MEMBER_COUNT:
		return json_is_integer(json) && store_number(to, json, 1, 1e15) ?
				NULL :
				"a whole number from 0 to 10^15";
	case MEMBER_UINT:
		if (!json_is_integer(json) || !store_number(&number, json, 1, UINT32_MAX))
			return "a whole number below 2^32";
		*(unsigned int *)to = (unsigned int)number;
		return NULL;
	case MEMBER_US:
		return store_number(to, json, 1e3, 1e9) ? NULL : "microseconds, up to 10^9";
	case MEMBER_PROBABILITY:
		return store_number(to, json, (double)WIRE_FAULT_ALWAYS, 1) ?
				NULL :
				"a number from 0 to 1";
	case MEMBER_FLAG:
		*(bool *)to = json_is_true(json);
		return json_is_boolean(json) ? NULL : "true or false";
	case MEMBER_LOSS:
		word = find_word(json, loss_names, sizeof(loss_names) / sizeof(loss_names[0]));
		faults->loss.kind = word > 0 ? (enum wire_loss)word : WIRE_LOSS_NONE;
		return word >= 0 ? NULL : "none, random, every or bursts";
	default:
		word = find_word(json, jitter_names,
				sizeof(jitter_names) / sizeof(jitter_names[0]));
		faults->delay.distribution = word > 0 ? (enum wire_jitter)word :
							WIRE_JITTER_UNIFORM;
		return word >= 0 ? NULL : "uniform, normal or pareto";
	}
}

/* Return whether a name is that of a group. */
static bool
is_group(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].group[0] != '\0' && strcmp(members[i].group, name) == 0)
			return true;
	return false;
}

/* Read the members of a group. */
static int
read_group(json_t *object, const char *group, struct wire_faults *faults, char *err)
{
	const char *key, *dot = group[0] != '\0' ? "." : "", *why;
	json_t *value;
	unsigned int i;

	json_object_foreach(object, key, value)
	{
		if (group[0] == '\0' && is_group(key))
			continue;
		for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
			if (strcmp(members[i].group, group) == 0 &&
					strcmp(members[i].key, key) == 0)
				break;
		if (i == sizeof(members) / sizeof(members[0])) {
			snprintf(err, SPEC_ERR_LEN, "faults.%s%s%.60s: unknown key", group, dot,
					key);
			return -EINVAL;
		}
		why = store(&members[i], value, faults);
		if (why != NULL) {
			snprintf(err, SPEC_ERR_LEN, "faults.%s%s%s: expected %s", group, dot, key,
					why);
			return -EINVAL;
		}
	}
	return 0;
}

int
control_faults_read(json_t *json, struct wire_faults *faults, char *err)
{
	const char *key, *why;
	json_t *value, *loss = json_object_get(json, "loss");
	int ret;

	*faults = (struct wire_faults){ .corrupt.bits = 1, .reorder.extent = 1 };
	/* A group without a model has the usual one. */
	if (loss != NULL && json_object_get(loss, "model") == NULL)
		faults->loss.kind = WIRE_LOSS_RANDOM;
	ret = read_group(json, "", faults, err);
	json_object_foreach(json, key, value)
	{
		if (ret != 0 || !is_group(key))
			continue;
		if (!json_is_object(value)) {
			snprintf(err, SPEC_ERR_LEN, "faults.%s: expected an object", key);
			ret = -EINVAL;
		} else {
			ret = read_group(value, key, faults, err);
		}
	}
	why = ret == 0 ? wire_faults_check(faults) : NULL;
	if (why != NULL) {
		snprintf(err, SPEC_ERR_LEN, "faults: %s", why);
		ret = -EINVAL;
	}
	return ret;
}

json_t *
control_faults_json(const struct wire_dir *dir)
{
	struct wire_fault_stats s;

	if (dir == NULL)
		return json_null();
	wire_dir_get_fault_stats(dir, &s);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "frames",
			(json_int_t)s.frames, "delivered", (json_int_t)s.delivered, "lost",
			(json_int_t)s.lost, "corrupted", (json_int_t)s.corrupted, "bad_fcs",
			(json_int_t)s.bad_fcs, "duplicated", (json_int_t)s.duplicated, "reordered",
			(json_int_t)s.reordered, "delayed", (json_int_t)s.delayed, "queue_full",
			(json_int_t)s.queue_full, "queued", (json_int_t)s.queued);
}
