/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The parts of the loader of OTG files. The loader walks down the tree of JSON values, and a node
 * is a place in this tree: a key of an object, or an element of an array. A node knows the node
 * above it, so that each error can name the whole path of the key, and a key that is absent has a
 * node without a value, for which the functions below leave the default in place.
 *
 * A node resides on the stack of the function that visits it. All functions that return an int
 * return 0, or a negative error number after they have written the line about the error.
 */

#ifndef TRAFFIC_OTG_H
#define TRAFFIC_OTG_H

#include <jansson.h>

#include "traffic.h"

/** A place in the file. */
struct otg_node {
	const struct otg_node *up; /**< NULL: the whole file */
	const char *key;           /**< NULL: an element of an array, at index */
	size_t index;
	const json_t *json; /**< NULL: the key is absent */
	char *err;          /**< line about an error, TRAFFIC_ERR_LEN bytes */
};

/** A list of names that ends in NULL. */
#define OTG_NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* traffic_otg_node.c */

/** Return the node of a key. */
struct otg_node otg_member(const struct otg_node *up, const char *key);
/** Return the node of an element. */
struct otg_node otg_element(const struct otg_node *up, size_t index);

/** Write "path: reason". Return -EINVAL. */
int otg_refuse(const struct otg_node *n, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
/** Write "path: value: reason". Return -EINVAL. */
int otg_refuse_value(const struct otg_node *n, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
/** Write that memory is exhausted. Return -ENOMEM. */
int otg_no_memory(const struct otg_node *n);

/** Check that a node is an object without other keys than these. */
int otg_keys(const struct otg_node *n, const char *const *names);
/**
 * Return the alternative that an object has: the one that its key "choice" names; without this key,
 * the only one that is present; if none is, the first one of the list.
 *
 * @param names        keys of the alternatives
 * @param[out] chosen  index in names
 */
int otg_choice(const struct otg_node *n, const char *const *names, unsigned int *chosen);
/** Get the number of elements. An array that is absent has none. */
int otg_array(const struct otg_node *n, size_t *count);
/** Check that an array or an object, if present, is empty. */
int otg_empty(const struct otg_node *n);

/** Get an integer. */
int otg_integer(const struct otg_node *n, uint64_t min, uint64_t max, uint64_t *value);
/** Get an integer that the model gives 64 bits. It may be a string of digits. */
int otg_integer64(const struct otg_node *n, uint64_t min, uint64_t max, uint64_t *value);
/** Get a number, with or without a fraction. */
int otg_number(const struct otg_node *n, double min, double max, double *value);
int otg_bool(const struct otg_node *n, bool *value);
/** Get a string, in memory of the JSON value. */
int otg_string(const struct otg_node *n, const char **value);

/* traffic_otg_pattern.c */

/** How the file writes the values of a field. */
enum otg_format {
	OTG_INTEGER,
	OTG_MAC,
	OTG_IPV4,
	OTG_IPV6,
	OTG_SUM,   /**< a checksum: generated, good or bad, or custom */
	OTG_EMPTY, /**< no field: a list of which only the empty one is supported */
};

/** Alternatives that only some fields have. */
#define OTG_AUTO   1
#define OTG_RANDOM 2

/** The values that a field may have. */
struct otg_field {
	enum otg_format format;
	uint8_t bits;
	uint8_t features;  /**< OTG_AUTO, OTG_RANDOM */
	uint32_t fallback; /**< the value, if the file has none */
};

/** Whether a field is computed. */
struct otg_computed {
	bool is_auto; /**< the field is computed. The pattern is the value if it cannot be */
	bool is_bad;  /**< a checksum is wrong on purpose */
};

/**
 * Get the pattern of a field.
 *
 * @param[out] p  all but p->bit. The caller frees p->list. A pattern of one value has a count of 1
 */
int otg_pattern(const struct otg_node *n, const struct otg_field *f, struct traffic_pattern *p,
		struct otg_computed *c);

/* traffic_headers.c */

/** Fill in the headers of a flow, with their patterns and computed fields. */
int traffic_headers(const struct otg_node *packet, struct traffic_flow *f);

/* traffic_otg_flow.c */

/** Fill in what the loader knows of a flow besides its name, ports and headers. */
int otg_flow_metrics(const struct otg_node *metrics, struct traffic_flow *f);
/** Must follow traffic_headers() and otg_flow_metrics(), which determine the least size. */
int otg_flow_size(const struct otg_node *size, struct traffic_flow *f);
int otg_flow_payload(const struct otg_node *payload, struct traffic_flow *f);
int otg_flow_rate(const struct otg_node *rate, struct traffic_flow *f);
int otg_flow_duration(const struct otg_node *duration, struct traffic_flow *f);

#endif /* TRAFFIC_OTG_H */
