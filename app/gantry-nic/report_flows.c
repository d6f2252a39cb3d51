/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <inttypes.h>

#include "report_flows.h"

/* The results of one flow. */
struct result {
	const struct traffic_flow *flow;
	const struct port *sender;
	struct wire_gen_stats tx;
	uint64_t arrived; /* different frames, at all ports */
	uint64_t lost;
	uint64_t duplicated, reordered, corrupted; /* at all ports */
};

/* Return the flows; NULL: there are none. */
static const struct traffic *
flows_of(const struct port *ports, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (ports[i].traffic != NULL)
			return ports[i].traffic;
	return NULL;
}

static const struct port *
port_of(const struct port *ports, unsigned int nr, unsigned int traffic_port)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (ports[i].traffic != NULL && ports[i].traffic_port == traffic_port)
			return &ports[i];
	return NULL; /* not reached: generator_load() found a port for each */
}

/* Get what a port received of a flow. Return false: it is not to receive it. */
static bool
received(const struct port *port, const struct traffic_flow *f, struct traffic_rx *rx)
{
	return port->gen_sink != NULL &&
			traffic_get_rx(wire_gen_receiver(port->gen_sink), f->number, rx);
}

static void
get_result(const struct port *ports, unsigned int nr, const struct traffic_flow *f,
		struct result *r)
{
	struct traffic_rx rx;
	unsigned int i;

	*r = (struct result){ .flow = f, .sender = port_of(ports, nr, f->tx_port) };
	if (r->sender != NULL && r->sender->gen_src != NULL)
		wire_gen_get_stats(r->sender->gen_src, f->number, &r->tx);
	for (i = 0; i < nr; i++) {
		if (!received(&ports[i], f, &rx))
			continue;
		r->duplicated += rx.duplicated;
		r->reordered += rx.reordered;
		r->corrupted += rx.corrupted;
		r->arrived += rx.frames - rx.duplicated;
	}
	r->lost = r->tx.frames > r->arrived ? r->tx.frames - r->arrived : 0;
}

static const char *
state(const struct wire_gen_stats *tx)
{
	return !tx->started ? "waiting" : tx->ended ? "stopped" : "started";
}

static void
set(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

/* Report a histogram; null: it is empty. */
static json_t *
latency_json(const struct traffic_hist *h)
{
	static const struct {
		const char *name;
		double part;
	} quantiles[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p99.9", 0.999 },
		{ "p99.99", 0.9999 } };
	const uint64_t count = h->count;
	json_t *o;
	unsigned int i;

	if (count == 0)
		return json_null();
	o = json_object();
	set(o, "min", h->min);
	set(o, "mean", h->sum / count);
	for (i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		set(o, quantiles[i].name, traffic_hist_quantile(h, quantiles[i].part));
	set(o, "max", h->max);
	return o;
}

/* Return a time since the start of the daemon; 0: there is none yet. */
static uint64_t
since(uint64_t ns, uint64_t started)
{
	return ns > started ? ns - started : 0;
}

static json_t *
rx_json(const struct port *port, const struct traffic_flow *f, const struct traffic_rx *rx,
		uint64_t started)
{
	const uint64_t count = rx->latency.count;
	json_t *o = json_object();

	json_object_set_new(o, "port", json_string(port->spec.name));
	set(o, "frames", rx->frames);
	set(o, "bytes", rx->bytes_fcs);
	set(o, "duplicated", rx->duplicated);
	set(o, "reordered", rx->reordered);
	set(o, "reordering_extent_max", rx->extent_max);
	set(o, "too_late", rx->too_late);
	set(o, "corrupted", rx->corrupted);
	if (f->timestamps) {
		set(o, "first_ns", since(rx->first_ns, started));
		set(o, "last_ns", since(rx->last_ns, started));
	}
	if (f->latency) {
		json_object_set_new(o, "latency_ns", latency_json(&rx->latency));
		if (count > 1)
			set(o, "jitter_ns", rx->jitter_sum / (count - 1));
	}
	return o;
}

json_t *
report_flows_json(const struct port *ports, unsigned int nr, uint64_t started)
{
	const struct traffic *t = flows_of(ports, nr);
	json_t *array = json_array();
	unsigned int i, j;

	for (i = 0; t != NULL && i < t->nr_flows; i++) {
		const struct traffic_flow *f = &t->flows[i];
		json_t *o = json_object(), *rx = json_array();
		struct traffic_rx got;
		struct result r;

		get_result(ports, nr, f, &r);
		json_object_set_new(o, "name", json_string(f->name));
		json_object_set_new(o, "port_tx", json_string(t->ports[f->tx_port].name));
		json_object_set_new(o, "transmit", json_string(state(&r.tx)));
		set(o, "frames_tx", r.tx.frames);
		set(o, "bytes_tx", r.tx.bytes_fcs);
		set(o, "late_ns", r.tx.late_ns);
		if (f->timestamps) {
			set(o, "first_ns", since(r.tx.first_ns, started));
			set(o, "last_ns", since(r.tx.last_ns, started));
		}
		if (f->stamped) {
			set(o, "frames_rx", r.arrived);
			set(o, "lost", r.lost);
		}
		for (j = 0; j < nr; j++) {
			if (received(&ports[j], f, &got))
				json_array_append_new(rx, rx_json(&ports[j], f, &got, started));
		}
		json_object_set_new(o, "rx", rx);
		json_array_append_new(array, o);
	}
	return array;
}

json_t *
report_strays_json(const struct port *port)
{
	struct traffic_strays strays;
	json_t *o;

	if (port->gen_sink == NULL)
		return json_null();
	traffic_get_strays(wire_gen_receiver(port->gen_sink), &strays);
	o = json_object();
	set(o, "unknown", strays.unknown);
	set(o, "former", strays.former);
	set(o, "misdelivered", strays.misdelivered);
	set(o, "bad_fcs", wire_gen_bad_fcs(port->gen_sink));
	return o;
}

void
report_flows_text(FILE *out, const struct port *ports, unsigned int nr)
{
	const struct traffic *t = flows_of(ports, nr);
	unsigned int i;

	for (i = 0; t != NULL && i < t->nr_flows; i++) {
		const struct traffic_flow *f = &t->flows[i];
		struct result r;

		get_result(ports, nr, f, &r);
		fprintf(out, "flow %s: %s, %" PRIu64 " frames sent", f->name, state(&r.tx),
				r.tx.frames);
		if (f->stamped)
			fprintf(out,
					", %" PRIu64 " received, %" PRIu64 " missing, %" PRIu64
					" duplicated, %" PRIu64 " reordered, %" PRIu64 " corrupted",
					r.arrived, r.lost, r.duplicated, r.reordered, r.corrupted);
		fputc('\n', out);
	}
}
