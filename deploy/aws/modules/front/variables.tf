variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets, one in each zone."
  type        = list(string)
}

variable "security_group_id" {
  description = "The group of network load balancers."
  type        = string
}

variable "terminate_tls" {
  description = "TLS ends at the balancer, with `certificate_arn`; else the edges have the certificate."
  type        = bool
}

variable "certificate_arn" {
  description = "A certificate of ACM, if TLS ends at the balancer."
  type        = string
  default     = ""
}

variable "quic" {
  description = "A balancer for QUIC. The edges need a certificate of their own for it."
  type        = bool
}

variable "deregistration_delay_s" {
  description = "How long connections to an edge that leaves stay open; more than its drain."
  type        = number
}

variable "deletion_protection" {
  description = "The balancers cannot be deleted."
  type        = bool
}

variable "log_bucket" {
  description = "S3 bucket for access logs, which permits the delivery of logs; empty: none."
  type        = string
}

variable "target_type" {
  description = "instance for auto-scaling groups, ip for Fargate."
  type        = string
  default     = "instance"
  validation {
    condition     = contains(["instance", "ip"], var.target_type)
    error_message = "`target_type` must be instance or ip."
  }
}
