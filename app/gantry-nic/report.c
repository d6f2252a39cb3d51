/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "log.h"
#include "report.h"
#include "report_flows.h"

/*
 * Both reports are made from the tables below. A new counter is a row: its member, which is also
 * its name in JSON, and its words in the text, where '%' is the value. NULL: only JSON has it.
 */
struct field {
	const char *name;
	const char *text;
	size_t offset;
	enum { COUNT, DURATION, FLAG } kind; /* DURATION: JSON has ns, the text has ms */
};

/* clang-format off */
#define FIELD(type, member, text) { #member, text, offsetof(type, member), \
	_Generic(((type *)0)->member, uint64_t: COUNT, bool: FLAG) }
#define FIELD_NS(type, member, text) { #member, text, offsetof(type, member), DURATION }
#define FIELDS_END { .name = NULL }
/* clang-format on */

#define DEVICE(member, text) FIELD(struct m82576_stats, member, text)
static const struct field device_fields[] = {
	DEVICE(tx_frames, "tx %"),
	DEVICE(tx_bytes, NULL),
	DEVICE(tx_bad, " (bad %)"),
	DEVICE(rx_frames, ", rx %"),
	DEVICE(rx_bytes, NULL),
	DEVICE(rx_no_desc, " (no descriptor %"),
	DEVICE(rx_filtered, ", filtered %"),
	DEVICE(rx_bad, ", bad %"),
	DEVICE(rx_off, ", off %)"),
	DEVICE(bad_doorbells, NULL),
	DEVICE(dma_faults, ", DMA faults %"),
	DEVICE(client, NULL),
	DEVICE(link, NULL),
	FIELDS_END,
};

#define NR_QUEUES \
	(sizeof(((struct m82576_stats *)0)->queue) / sizeof(((struct m82576_stats *)0)->queue[0]))
#define QUEUE(member) FIELD(__typeof__(((struct m82576_stats *)0)->queue[0]), member, NULL)
static const struct field queue_fields[] = {
	QUEUE(tx_frames),
	QUEUE(rx_frames),
	QUEUE(rx_no_desc),
	FIELDS_END,
};

#define SERVER(member) FIELD(struct vfu_server_stats, member, NULL)
static const struct field server_fields[] = {
	SERVER(clients),
	SERVER(messages),
	SERVER(bad_messages),
	SERVER(dma_faults),
	SERVER(dma_maps),
	SERVER(dma_bytes),
	SERVER(dma_posted),
	SERVER(ptes),
	SERVER(client),
	FIELDS_END,
};

#define WIRE(member, text)    FIELD(struct wire_stats, member, text)
#define WIRE_NS(member, text) FIELD_NS(struct wire_stats, member, text)
static const struct field direction_fields[] = {
	WIRE(frames, " % frames"),
	WIRE(bytes, ", % bytes"),
	WIRE(drops, ", % dropped"),
	WIRE_NS(longest_gap_ns, "; longest polling gap % ms"),
	{ "longest_gap_at_ns", NULL, offsetof(struct wire_stats, longest_gap_at), DURATION },
	WIRE(gaps_over_100us, " (% over 0.1 ms"),
	WIRE(gaps_over_1ms, ", % over 1 ms"),
	WIRE(gaps_over_10ms, ", % over 10 ms)"),
	WIRE_NS(stalled_ns, ", stalled % ms"),
	FIELDS_END,
};

#define REPLAY(member, text) FIELD(struct wire_replay_stats, member, text)
static const struct field replay_fields[] = {
	REPLAY(frames, ", % frames"),
	REPLAY(filtered, " (filtered %"),
	REPLAY(filled, ", filled up %"),
	REPLAY(bad_fcs, ", bad FCS %)"),
	FIELDS_END,
};
static const struct field left_out_fields[] = {
	REPLAY(not_ethernet, ", left out: not Ethernet %"),
	REPLAY(too_short, ", too short %"),
	REPLAY(too_long, ", too long %"),
	FIELDS_END,
};

static void
set(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

/* @p stats is the structure that the offsets of the fields refer to. */
static json_t *
add_fields(json_t *object, const struct field *f, const void *stats)
{
	for (; f->name != NULL; f++) {
		const char *value = (const char *)stats + f->offset;

		if (f->kind == FLAG)
			json_object_set_new(object, f->name, json_boolean(*(const bool *)value));
		else
			set(object, f->name, *(const uint64_t *)value);
	}
	return object;
}

static void
print_fields(FILE *out, const struct field *f, const void *stats)
{
	for (; f->name != NULL; f++) {
		const char *percent = f->text != NULL ? strchr(f->text, '%') : NULL;
		uint64_t value;

		if (percent == NULL)
			continue;
		memcpy(&value, (const char *)stats + f->offset, sizeof(value));
		fprintf(out, "%.*s", (int)(percent - f->text), f->text);
		if (f->kind == DURATION)
			fprintf(out, "%.3f", value / 1e6);
		else
			fprintf(out, "%" PRIu64, value);
		fputs(percent + 1, out);
	}
}

/* Report a direction; NULL is null: a port whose wire is none receives nothing. */
static json_t *
direction_json(const struct wire_dir *dir, uint64_t now, uint64_t started)
{
	struct wire_stats s;

	if (dir == NULL)
		return json_null();
	wire_dir_get_stats(dir, now, &s);
	s.longest_gap_at = s.longest_gap_ns != 0 ? s.longest_gap_at - started : 0;
	return add_fields(json_object(), direction_fields, &s);
}

static json_t *
device_json(const struct m82576 *dev)
{
	struct m82576_stats s;
	json_t *o, *queues = json_array();
	unsigned int i;

	m82576_get_stats(dev, &s);
	o = add_fields(json_object(), device_fields, &s);
	for (i = 0; i < NR_QUEUES; i++)
		json_array_append_new(queues, add_fields(json_object(), queue_fields, &s.queue[i]));
	json_object_set_new(o, "queues", queues);
	return o;
}

static json_t *
server_json(const struct vfu_server *server)
{
	struct vfu_server_stats s;

	vfu_server_get_stats(server, &s);
	return add_fields(json_object(), server_fields, &s);
}

static const char *
mac_text(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			mac[5]);
	return text;
}

static const char *
wire_text(const struct port *ports, const struct port *port, char *text, size_t size)
{
	if (port->spec.wire == WIRE_PAIR)
		snprintf(text, size, "pair:%s", ports[port->spec.peer].spec.name);
	else
		snprintf(text, size, "%s",
				port->spec.wire_text != NULL ? port->spec.wire_text : "none");
	return text;
}

static const char *
replay_state(const struct wire_replay_stats *s)
{
	return !s->started ? "waiting" : !s->ended ? "running" : s->broken ? "broken" : "ended";
}

/* Report a replay; NULL is null: the port's wire is no capture. */
static json_t *
replay_json(const struct wire_source *replay)
{
	struct wire_replay_stats s;
	json_t *o;

	if (replay == NULL)
		return json_null();
	wire_pcap_get_stats(replay, &s);
	o = json_object();
	json_object_set_new(o, "state", json_string(replay_state(&s)));
	add_fields(o, replay_fields, &s);
	json_object_set_new(o, "left_out", add_fields(json_object(), left_out_fields, &s));
	return o;
}

static json_t *
port_json(const struct port *ports, const struct port *port, uint64_t now, uint64_t started)
{
	char wire[PORT_NAME_MAX + 4096];
	char mac[18];
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(port->spec.name));
	json_object_set_new(o, "mac", json_string(mac_text(port->spec.mac, mac)));
	json_object_set_new(o, "socket", json_string(port->spec.socket));
	set(o, "speed_mbps", port->spec.speed_mbps);
	set(o, "addr_bits", port->spec.addr_bits);
	json_object_set_new(o, "wire", json_string(wire_text(ports, port, wire, sizeof(wire))));
	json_object_set_new(o, "device", device_json(port->dev));
	json_object_set_new(o, "server", server_json(m82576_server(port->dev)));
	json_object_set_new(o, "tx", direction_json(port->out, now, started));
	json_object_set_new(o, "rx", direction_json(port->in, now, started));
	json_object_set_new(o, "replay", replay_json(port->replay));
	json_object_set_new(o, "strays", report_strays_json(port));
	return o;
}

json_t *
report_make(const struct port *ports, unsigned int nr, uint64_t started)
{
	uint64_t now = poller_now();
	json_t *root = json_object();
	json_t *array = json_array();
	unsigned int i;

	set(root, "uptime_ns", now - started);
	set(root, "log_lines_lost", log_lines_lost());
	for (i = 0; i < nr; i++)
		json_array_append_new(array, port_json(ports, &ports[i], now, started));
	json_object_set_new(root, "ports", array);
	json_object_set_new(root, "flows", report_flows_json(ports, nr, started));
	return root;
}

void
report_new_interval(const struct port *ports, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		wire_dir_new_interval(ports[i].out);
		if (ports[i].in_owned)
			wire_dir_new_interval(ports[i].in);
	}
}

int
report_json(struct output_file *out, const struct port *ports, unsigned int nr, uint64_t started)
{
	json_t *root = report_make(ports, nr, started);
	int ret;

	report_new_interval(ports, nr);
	ret = output_file_write(out, root, JSON_INDENT(1));
	json_decref(root);
	return ret;
}

static void
direction_text(FILE *out, const char *label, const struct wire_dir *dir, uint64_t now)
{
	struct wire_stats s;

	if (dir == NULL)
		return;
	wire_dir_get_stats(dir, now, &s);
	fprintf(out, "  %s", label);
	print_fields(out, direction_fields, &s);
	fputc('\n', out);
}

static void
replay_text(FILE *out, const struct wire_source *replay)
{
	struct wire_replay_stats s;

	if (replay == NULL)
		return;
	wire_pcap_get_stats(replay, &s);
	fprintf(out, "  replay: %s", replay_state(&s));
	print_fields(out, replay_fields, &s);
	print_fields(out, left_out_fields, &s);
	fputc('\n', out);
}

void
report_text(FILE *out, const struct port *ports, unsigned int nr, uint64_t started)
{
	uint64_t now = poller_now();
	unsigned int i;

	flockfile(out); /* a line of another thread comes before or after the report */
	fprintf(out, "gantry-nic: statistics after %.3f s\n", (now - started) / 1e9);
	for (i = 0; i < nr; i++) {
		const struct port *port = &ports[i];
		char wire[PORT_NAME_MAX + 4096];
		struct m82576_stats s;
		char speed[24] = "max";
		char mac[18];

		if (port->spec.speed_mbps != 0)
			snprintf(speed, sizeof(speed), "%u Mb/s", port->spec.speed_mbps);
		m82576_get_stats(port->dev, &s);
		fprintf(out, "port %s: %s, %s, wire %s, client %s, link %s\n", port->spec.name,
				mac_text(port->spec.mac, mac), speed,
				wire_text(ports, port, wire, sizeof(wire)),
				s.client ? "attached" : "none", s.link ? "up" : "down");
		fputs("  device: ", out);
		print_fields(out, device_fields, &s);
		fputc('\n', out);
		direction_text(out, "wire out:", port->out, now);
		direction_text(out, "wire in: ", port->in, now);
		replay_text(out, port->replay);
	}
	report_flows_text(out, ports, nr);
	fflush(out);
	funlockfile(out);
}
