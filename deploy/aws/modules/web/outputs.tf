output "target_group_arns" {
  description = "The groups in which edges register."
  value       = [aws_lb_target_group.edge.arn, aws_lb_target_group.health.arn]
}

output "balancer" {
  description = "Name and zone of the balancer, for alias records."
  value       = { dns_name = aws_lb.this.dns_name, zone_id = aws_lb.this.zone_id, arn_suffix = aws_lb.this.arn_suffix }
}
