/* An attacker's SSH connection as a service: logs in by the host's policy, runs programs on a
 * machine of its own, and puts everything on record. */
#ifndef SESSION_SSH_SERVICE_H
#define SESSION_SSH_SERVICE_H

#include "session/service.h"

extern const struct service session_ssh_service;

#endif
