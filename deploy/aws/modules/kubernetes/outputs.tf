output "name" {
  value = aws_eks_cluster.this.name
}

output "roles" {
  description = "Roles of the service accounts: volumes, balancers."
  value       = { for name, role in aws_iam_role.account : name => role.arn }
}
