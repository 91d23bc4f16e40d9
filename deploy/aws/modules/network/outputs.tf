output "vpc_id" {
  value = aws_vpc.this.id
}

output "public_subnet_ids" {
  value = aws_subnet.public[*].id
}

output "private_subnet_ids" {
  value = aws_subnet.private[*].id
}

output "private_zones" {
  description = "The zone of each private subnet."
  value       = aws_subnet.private[*].availability_zone
}

output "zone_id" {
  description = "The private hosted zone."
  value       = aws_route53_zone.internal.zone_id
}

output "zone_name" {
  value = aws_route53_zone.internal.name
}
