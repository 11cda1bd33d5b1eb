/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to an export's pod through the API server, as `kubectl port-forward` makes them: a
 * WebSocket per connection with the protocol v4.channel.k8s.io (kubelet: pkg/cri/streaming/portforward).
 * TLS to the export runs inside of it and is verified as ever.
 *
 * The pod is chosen anew for each connection (the Service's selector, the first that is ready, its
 * targetPort): it may have been replaced.
 */
#pragma once

#include "api/cluster.h"

struct port_forward;

/* `service` is the export's. Its own connections to the API server; `cluster` must outlive it. */
struct port_forward *port_forward_new(struct cluster *cluster, const char *service);
/* Ends all its connections. */
void port_forward_free(struct port_forward *forward);

/*
 * A connected stream socket, non-blocking, that the caller closes: what is written to it goes to port
 * 443 of the Service. A thread carries the bytes. From any thread. ERR_UNAVAILABLE: no pod is ready;
 * ERR_FORBIDDEN, with the rights that it takes (get and create on pods/portforward); ERR_NOT_FOUND: no
 * such Service, or it leads nowhere; ERR_PEER: the server or the node refuses the protocol, with what to
 * do instead; else as cluster_fail. What ends it later is said as a warning (say.h), unless the caller did.
 */
int port_forward_connect(struct port_forward *forward, struct err *err);

/* Also listens on 127.0.0.1:`port` for others, until port_forward_free. */
int port_forward_listen(struct port_forward *forward, unsigned port, struct err *err);

/*
 * The name of an abstract Unix socket of ours, for as long as port_forward_free is not called: a
 * connection to it goes the same way. For libcurl, which before 8.0 cannot be handed a socket that is
 * connected already (CURL_SOCKOPT_ALREADY_CONNECTED). NULL on failure. One thread.
 */
const char *port_forward_socket(struct port_forward *forward, struct err *err);
