# Network load balancers for players. One for TCP: TLS is passed on to the edges, or ends at the balancer. One for QUIC, because
# TCP and UDP at the same port would share a target group, whose PROXY protocol QUIC does not know.

locals {
  # An edge that drains answers 503 at /ready.
  health = { port = 8081, path = "/ready" }
}

resource "aws_lb" "tcp" {
  name                             = "${var.name}-tcp"
  load_balancer_type               = "network"
  subnets                          = var.subnet_ids
  security_groups                  = [var.security_group_id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection
  dynamic "access_logs" {
    for_each = var.log_bucket == "" ? [] : [var.log_bucket]
    content {
      bucket  = access_logs.value
      enabled = true
    }
  }
}

resource "aws_lb_target_group" "tcp" {
  target_type = var.target_type
  name        = "${var.name}-${var.terminate_tls ? "plain" : "tls"}"
  vpc_id      = var.vpc_id
  protocol    = "TCP"
  # edge.listen or tls.listen.
  port = var.terminate_tls ? 8080 : 8443
  # The client's address is in the PROXY protocol's header.
  proxy_protocol_v2    = true
  preserve_client_ip   = "false"
  deregistration_delay = var.deregistration_delay_s
  # The edge closes its connections when it drains; the balancer must not do it before.
  connection_termination = false # unchecked: provider 4.31
  health_check {
    protocol            = "HTTP"
    port                = local.health.port
    path                = local.health.path
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lb_listener" "tcp" {
  load_balancer_arn = aws_lb.tcp.arn
  port              = 443
  protocol          = var.terminate_tls ? "TLS" : "TCP"
  certificate_arn   = var.terminate_tls ? var.certificate_arn : null
  ssl_policy        = var.terminate_tls ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null
  alpn_policy       = var.terminate_tls ? "HTTP1Only" : null
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.tcp.arn
  }
}

resource "aws_lb" "udp" {
  #checkov:skip=CKV_AWS_91:A network load balancer logs TLS alone, so there would be nothing in the log
  count                            = var.quic ? 1 : 0
  name                             = "${var.name}-udp"
  load_balancer_type               = "network"
  subnets                          = var.subnet_ids
  security_groups                  = [var.security_group_id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection
}

resource "aws_lb_target_group" "udp" {
  count                = var.quic ? 1 : 0
  target_type          = var.target_type
  name                 = "${var.name}-quic"
  vpc_id               = var.vpc_id
  protocol             = "UDP"
  port                 = 8443
  deregistration_delay = var.deregistration_delay_s
  # A client whose port changes stays at its edge.
  stickiness {
    enabled = true
    type    = "source_ip"
  }
  health_check {
    protocol            = "HTTP"
    port                = local.health.port
    path                = local.health.path
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "udp" {
  count             = var.quic ? 1 : 0
  load_balancer_arn = aws_lb.udp[0].arn
  port              = 443
  protocol          = "UDP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.udp[0].arn
  }
}
