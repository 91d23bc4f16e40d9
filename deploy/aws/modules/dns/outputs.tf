output "health_check_ids" {
  value = { for name, check in aws_route53_health_check.this : name => check.id }
}
