# The names of players, by latency: with this module in several regions, each client gets the nearest one whose check is good.

resource "aws_route53_health_check" "this" {
  for_each          = var.records
  type              = each.value.path == "" ? "TCP" : "HTTPS"
  fqdn              = each.value.target.dns_name
  port              = 443
  resource_path     = each.value.path == "" ? null : each.value.path
  enable_sni        = each.value.path == "" ? null : true
  request_interval  = 10
  failure_threshold = 2
  tags              = { Name = "${var.region} ${each.key}" }
}

resource "aws_route53_record" "this" {
  for_each        = var.records
  zone_id         = var.zone_id
  name            = each.key
  type            = "A"
  set_identifier  = var.region
  health_check_id = aws_route53_health_check.this[each.key].id
  latency_routing_policy {
    region = var.region
  }
  alias {
    name                   = each.value.target.dns_name
    zone_id                = each.value.target.zone_id
    evaluate_target_health = true
  }
}

# A balancer for QUIC takes no TCP, so Route 53 cannot ask it. Its targets' health decides.
resource "aws_route53_record" "quic" {
  for_each       = var.quic_records
  zone_id        = var.zone_id
  name           = each.key
  type           = "A"
  set_identifier = var.region
  latency_routing_policy {
    region = var.region
  }
  alias {
    name                   = each.value.dns_name
    zone_id                = each.value.zone_id
    evaluate_target_health = true
  }
}
