{# A known value lies between two bounds, both included. #}
{% test is_between(model, column_name, lowest, highest) %}
select *
from {{ model }}
where {{ column_name }} not between {{ lowest }} and {{ highest }}
{% endtest %}
