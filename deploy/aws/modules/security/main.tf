# Who may connect to whom. Each rule names a group, not a network, wherever both sides are ours.

locals {
  groups = {
    front    = "Network load balancers"
    web      = "Application load balancer"
    edge     = "Edges"
    worker   = "Workers"
    nats     = "NATS"
    archive  = "Archive"
    database = "Database of the archive"
  }

  # From the internet: group, protocol, port.
  public = {
    front-tcp = { group = "front", protocol = "tcp", port = 443 }
    front-udp = { group = "front", protocol = "udp", port = 443 }
    web       = { group = "web", protocol = "tcp", port = 443 }
  }

  # Inside: from, to, protocol, port, why. Both sides get a rule.
  inside = {
    front-edge-plain  = { from = "front", to = "edge", protocol = "tcp", port = 8080, why = "players, if the balancer ends TLS" }
    front-edge-tls    = { from = "front", to = "edge", protocol = "tcp", port = 8443, why = "players, if TLS is passed on" }
    front-edge-quic   = { from = "front", to = "edge", protocol = "udp", port = 8443, why = "players over QUIC" }
    front-edge-health = { from = "front", to = "edge", protocol = "tcp", port = 8081, why = "health checks" }
    web-edge          = { from = "web", to = "edge", protocol = "tcp", port = 8080, why = "the HTTP API" }
    web-edge-health   = { from = "web", to = "edge", protocol = "tcp", port = 8081, why = "health checks and /health" }
    edge-nats         = { from = "edge", to = "nats", protocol = "tcp", port = 4222, why = "NATS" }
    worker-nats       = { from = "worker", to = "nats", protocol = "tcp", port = 4222, why = "NATS" }
    archive-nats      = { from = "archive", to = "nats", protocol = "tcp", port = 4222, why = "NATS" }
    nats-nats         = { from = "nats", to = "nats", protocol = "tcp", port = 6222, why = "routes between servers" }
    archive-database  = { from = "archive", to = "database", protocol = "tcp", port = 5432, why = "PostgreSQL" }
  }

  # To the internet by HTTPS: packages and the APIs of AWS.
  outside = ["edge", "worker", "nats", "archive"]
}

resource "aws_security_group" "this" {
  for_each    = local.groups
  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-${each.key}" }
}

resource "aws_security_group_rule" "public" {
  for_each          = local.public
  security_group_id = aws_security_group.this[each.value.group].id
  type              = "ingress"
  protocol          = each.value.protocol
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_blocks       = ["0.0.0.0/0"]
  description       = "Players"
}

resource "aws_security_group_rule" "in" {
  for_each                 = local.inside
  security_group_id        = aws_security_group.this[each.value.to].id
  source_security_group_id = aws_security_group.this[each.value.from].id
  type                     = "ingress"
  protocol                 = each.value.protocol
  from_port                = each.value.port
  to_port                  = each.value.port
  description              = each.value.why
}

resource "aws_security_group_rule" "out" {
  for_each                 = local.inside
  security_group_id        = aws_security_group.this[each.value.from].id
  source_security_group_id = aws_security_group.this[each.value.to].id
  type                     = "egress"
  protocol                 = each.value.protocol
  from_port                = each.value.port
  to_port                  = each.value.port
  description              = each.value.why
}

resource "aws_security_group_rule" "https" {
  for_each          = toset(local.outside)
  security_group_id = aws_security_group.this[each.value].id
  type              = "egress"
  protocol          = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_blocks       = ["0.0.0.0/0"]
  description       = "Packages, the APIs of AWS, key sets of issuers"
}

# Debian's mirrors speak HTTP; packages are signed.
resource "aws_security_group_rule" "http" {
  for_each          = toset(["edge", "worker", "nats"])
  security_group_id = aws_security_group.this[each.value].id
  type              = "egress"
  protocol          = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_blocks       = ["0.0.0.0/0"]
  description       = "Packages of Debian"
}
