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
  description = "The group of the application load balancer."
  type        = string
}

variable "certificate_arn" {
  description = "A certificate of ACM."
  type        = string
}

variable "deregistration_delay_s" {
  description = "How long requests to an edge that leaves may go on; more than its drain."
  type        = number
}

variable "deletion_protection" {
  description = "The balancer cannot be deleted."
  type        = bool
}

variable "log_bucket" {
  description = "S3 bucket for access logs, which permits the delivery of logs; empty: none."
  type        = string
}

variable "requests_per_5_minutes" {
  description = "Requests of an address in 5 minutes above which it is blocked."
  type        = number
  default     = 10000
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

variable "kms_key_arn" {
  description = "Key of the log of the firewall."
  type        = string
}
